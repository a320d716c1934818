"""Automata over tokens: what holds each row to the forms of its requirements, and brings it home in time."""
