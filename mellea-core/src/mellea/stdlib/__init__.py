"""What programs are written with: sessions, verbs, components and contexts."""
