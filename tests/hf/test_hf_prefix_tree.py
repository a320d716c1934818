"""The tree of stored prefixes: it finds what is there, stays within its bound, and keeps what is in use."""

from hypothesis import given
from hypothesis import strategies as st

from mellea_hf.prefix_tree import PrefixTree, common_length

PROMPT = st.lists(st.integers(0, 2), min_size=1, max_size=12).map(tuple)


def cut(segment, length):
    return segment[:length], segment[length:]


def stored(tree, tokens):
    """What the tree has for the first tokens of a prompt; here a segment is the tokens themselves."""
    return [token for node, shared in tree.match(tokens) for token in node.segment[:shared]]


def add(tree, tokens):
    tree.insert(tokens, lambda start, end: tokens[start:end])


@given(st.lists(PROMPT, max_size=20), PROMPT)
def test_longest_stored_prefix_is_found_with_its_segments(prompts, wanted):
    tree = PrefixTree(1000, cut)
    for prompt in prompts:
        add(tree, prompt)

    longest = max((common_length(prompt, wanted) for prompt in prompts), default=0)

    assert stored(tree, wanted) == list(wanted[:longest])


@given(st.lists(PROMPT, max_size=20))
def test_tokens_that_prompts_share_are_stored_once(prompts):
    tree = PrefixTree(1000, cut)
    for prompt in prompts:
        add(tree, prompt)

    prefixes = {prompt[:length] for prompt in prompts for length in range(1, len(prompt) + 1)}

    assert tree.size == len(prefixes) == sum(len(node.segment) for node in tree.nodes())


@given(st.lists(PROMPT, max_size=30), st.integers(0, 20), PROMPT)
def test_bound_holds_and_what_is_found_is_right(prompts, capacity, wanted):
    tree = PrefixTree(capacity, cut)
    for prompt in prompts:
        add(tree, prompt)

        assert tree.size <= capacity
        assert tree.size == sum(len(node.tokens) for node in tree.nodes())
        assert all(node.segment == node.tokens for node in tree.nodes())

    found = stored(tree, wanted)
    assert found == list(wanted[: len(found)])


@given(PROMPT, st.lists(PROMPT, max_size=30))
def test_pinned_prefix_stays_until_it_is_unpinned(pinned, others):
    tree = PrefixTree(14, cut)
    add(tree, pinned)
    node = tree.match(pinned)[-1][0]
    tree.pin(node)

    for other in others:
        add(tree, other)
    tree.clear()

    assert stored(tree, pinned) == list(pinned)
    tree.unpin(node)
    tree.clear()
    assert (tree.size, list(tree.nodes())) == (0, [])


def test_least_recently_used_goes_first():
    tree = PrefixTree(6, cut)
    add(tree, (1, 1))
    add(tree, (2, 2))
    add(tree, (3, 3))
    stored(tree, (1, 1))

    add(tree, (4, 4))

    assert stored(tree, (2, 2)) == []
    assert [stored(tree, (one, one)) for one in (1, 3, 4)] == [[1, 1], [3, 3], [4, 4]]


def test_prefix_that_does_not_fit_is_stored_as_far_as_it_does():
    tree = PrefixTree(3, cut)

    add(tree, (1, 2, 3, 4, 5))

    assert stored(tree, (1, 2, 3, 4, 5)) == [1, 2, 3]


def test_smaller_bound_lets_go_at_once():
    tree = PrefixTree(10, cut)
    add(tree, (1, 2, 3))
    add(tree, (4, 5, 6))

    tree.resize(3)

    assert [stored(tree, (1,)), stored(tree, (4,))] == [[], [4]]
