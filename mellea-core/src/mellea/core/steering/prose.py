"""Prose of a plan.

Sentences that keep a total of words, or are counted themselves, and in which something must occur.

What must occur may come wherever the model likes it. If it has not come after some words, the sentence is
ended and the next one begins with it; where there is no room for that, a sentence begins with it at once. It
never breaks into a sentence that was on its way to something else, because a model that is held up there runs
words together.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import permutations

from attrs import Factory, define, frozen

from mellea.core.steering.lexis import Lexis
from mellea.core.steering.pattern import Literal, Node, anchored, choice, optional, repeat, sequence
from mellea.core.steering.plan import Bounds, Insert, NotSteerableError

__all__ = ["Prose", "named", "prose", "sentence"]

_FINISH = 26
"""Words left to end a sentence in, where there is room for them."""

_FINISH_LEAST = 18
"""The fewest of them with which what must occur is waited for."""

_LEAD = 24
"""Words after which a sentence must begin with what has not occurred yet."""

_SENTENCE = Bounds(5, 44)
"""Words of a sentence where nothing else is asked; the most is well above what models like to write."""

_EASY = 10
"""Least words of a sentence that models keep by themselves: with more to write there are more sentences."""

_HASTE = 3
"""Words before a bound that must be short, so that a model that would go on does not run them together.

The last of them is none of the words that never end a sentence. Before that it is the model itself that ends
one, and it does not do so after such a word; a trie at each place where a sentence may end would make the
server slow."""

_NAMED = 20
"""Words before what a sentence is about."""

_TEXT = 40
"""Most words of prose that is asked for its subject, at least: an answer of fewer may well do without."""

_STEPS = 300
"""Sentences that are tried where each way may have others; a pattern of so many would be too large."""

_SHORT = 200
"""Signs of a word's pattern up to which all orders of three things are written out."""


@frozen
class Prose:
    """What prose is wanted.

    Args:
        words: Bounds on its words, the upper one never open.
        sentences: Bounds on its sentences; None where their number is free.
        inserts: What must occur in it.
        opening: Its first words.
        closing: Its last words, with the mark at the end if there is one.
        ordered: Whether what must occur keeps its order.
        subject: What should occur before all that, where that asks little.
    """

    words: Bounds
    sentences: Bounds | None = None
    inserts: tuple[Insert, ...] = ()
    opening: str = ""
    closing: str = ""
    ordered: bool = False
    subject: Insert | None = None

    @property
    def most(self) -> int:
        """The most words."""
        return self.words.top


def prose(lexis: Lexis, wanted: Prose) -> Node:
    """Return the pattern of such prose.

    Raises:
        NotSteerableError: It cannot be done.
    """
    return _Running(lexis, wanted).node() if wanted.sentences is None else _Counted(lexis, wanted).node()


def sentence(
    lexis: Lexis, words: Bounds, inserts: tuple[Insert, ...] = (), opening: str = "", closing: str = ""
) -> Node:
    """Return the pattern of one sentence with so many words, which begins with what must occur in it.

    Raises:
        NotSteerableError: It cannot be done.
    """
    low, high, head = _begun(lexis, inserts, opening)
    least, most = words.least, words.most if words.most is not None else 44
    return sequence(head, _ended(lexis, max(0 if closing else 4, least) - low, most - high, closing))


def named(
    lexis: Lexis,
    bounds: Bounds,
    joint: Node | str,
    subject: Insert,
    inserts: tuple[Insert, ...] = (),
    opening: str = "",
) -> Node:
    """Return two sentences with what they are about: in the first, or else at the beginning of the second.

    Where they are too short to wait for it, the first one begins with it.

    Raises:
        NotSteerableError: It cannot be done.
    """
    low, high, head = _begun(lexis, (), opening)
    first, second = sentence(lexis, bounds, (), opening), sentence(lexis, bounds, inserts)
    room = min(_NAMED, (bounds.top - bounds.least) // 2)
    lacking, most = max(1, bounds.least - low - 1), bounds.top - high - room - 1
    if room < max(lacking, _EASY - 2):
        return sequence(sentence(lexis, bounds, (subject,), opening), joint, second)
    within = sequence(lexis.inner, lexis.space)
    onward = sequence(optional(lexis.comma), lexis.space)
    soon = sequence(repeat(within, 0, room), subject.node, onward, _ended(lexis, lacking, most, ""))
    rest = choice(lexis.ends, sequence(onward, _ended(lexis, 1, most, "")))
    there = sequence(head, choice(soon, sequence(repeat(within, lacking, room), subject.node, rest)))
    return choice(
        sequence(there, joint, second),
        sequence(first, joint, sentence(lexis, bounds, (subject, *inserts))),
    )


def _begun(lexis: Lexis, inserts: tuple[Insert, ...], opening: str) -> tuple[int, int, Node]:
    """Return the least and most words of a beginning with all inserts in this order, and its pattern.

    It ends with the space before the next word.
    """
    given = len(opening.split())
    start = sequence(opening, optional(lexis.comma), lexis.space)
    if not inserts:
        return (given, given, start) if opening else (1, 1, sequence(lexis.first, lexis.space))
    first, *others = inserts
    if opening:
        low, high = given + 1 + first.least, given + 6 + first.most
        within = repeat(sequence(lexis.inner, lexis.space), 0, 5)
        head = sequence(start, within, choice(*lexis.links), lexis.space, first.node)
    else:
        low, high, head = first.least, first.most + first.article, first.opening
    for other in others:
        head = sequence(head, lexis.space, choice(*lexis.links), lexis.space, other.node)
        low, high = low + 1 + other.least, high + 1 + other.most
    return low, high, sequence(head, optional(lexis.comma), lexis.space)


def _ended(lexis: Lexis, least: int, most: int, closing: str) -> Node:
    """Return the rest of a sentence, of so many words; the way that is looked at first is the last."""
    within = sequence(lexis.inner, lexis.space)
    if closing:
        given = len(closing.split())
        return sequence(_times(within, max(0, least - given), most - given), closing)
    least = max(1, least)
    if most - least <= _HASTE:
        return sequence(_times(within, least - 1, most - 1), lexis.last, lexis.ends)
    calm = sequence(_times(within, least - 1, most - _HASTE - 1), lexis.final)
    brief = repeat(sequence(lexis.brief, lexis.space), 0, _HASTE - 1)
    haste = sequence(repeat(within, most - _HASTE, most - _HASTE), brief, lexis.brief_last)
    return sequence(choice(calm, haste), lexis.ends)


def _times(node: Node, least: int, most: int) -> Node:
    if most < max(0, least):
        raise NotSteerableError("the numbers of words leave no room.")
    return repeat(node, max(0, least), most)


def _orders(wanted: Prose, lexis: Lexis) -> list[tuple[Insert, ...]]:
    """Return the orders in which what must occur may come.

    All, where they are few and a word is written shortly.
    """
    most = 3 if len(anchored(lexis.inner)) < _SHORT else 2
    if wanted.ordered or len(wanted.inserts) > most:
        return [wanted.inserts]
    return list(dict.fromkeys(permutations(wanted.inserts)))


@frozen
class _Running:
    """Prose whose sentences end where the model ends them."""

    lexis: Lexis
    wanted: Prose

    def node(self) -> Node:
        """Return the pattern.

        What leads to all that must occur, then the rest, told apart by the words so far.
        """
        subject = self.wanted.subject if self.wanted.most >= _TEXT else None
        roomy = (subject and (self._lead((subject,)) or self._lead((), begins=True))) or self._lead(())
        if roomy is not None:
            low, high, node = roomy
            return sequence(node, self._onward(low, high))
        ways = (subject and self._at_once((subject,))) or self._at_once(())
        if not ways:
            raise NotSteerableError(f"{self.wanted.words} words leave no room for what must occur.")
        return choice(*ways)

    def _at_once(self, ahead: tuple[Insert, ...]) -> list[Node]:
        """Return the ways to begin with all inserts, as far as there is room for them."""
        leads: dict[tuple[int, int], list[Node]] = {}
        for order in _orders(self.wanted, self.lexis):
            low, high, node = _begun(self.lexis, (*ahead, *order), self.wanted.opening)
            leads.setdefault((low, high), []).append(node)
        ways = []
        for (low, high), nodes in leads.items():
            with suppress(NotSteerableError):
                ways.append(sequence(choice(*nodes), self._tail(low, high)))
        return ways

    @property
    def _within(self) -> Node:
        """A further word of the same sentence."""
        return sequence(self.lexis.inner, self.lexis.space)

    @property
    def _free(self) -> Node:
        """A further word, at which a sentence may end."""
        return sequence(self.lexis.free, self.lexis.gap)

    def _lead(self, ahead: tuple[Insert, ...], *, begins: bool = False) -> tuple[int, int, Node] | None:
        """Return what leads to all inserts wherever they come, with its least and most words.

        None where there is no room, or nothing must occur.

        Args:
            ahead: What comes before the inserts.
            begins: Whether the prose begins with its subject.
        """
        inserts, opening = (*ahead, *self.wanted.inserts), self.wanted.opening
        start = self.wanted.subject if begins else None
        if not inserts or (start and opening):
            return None
        given = len(opening.split()) if opening else 1 + (start.article if start else 0)
        widest = sum(insert.most + insert.article for insert in inserts)
        room = self.wanted.most - given - widest
        lacking = self.wanted.words.least - sum(insert.least for insert in inserts)
        slack = min(room - lacking, room - _FINISH - len(self.wanted.closing.split()) - 8) // len(inserts)
        finish = min(_FINISH, slack - 6)
        if finish < (_FINISH if ahead and self.wanted.inserts else _FINISH_LEAST):
            return None
        lead = max(1, min(_LEAD, slack - finish))
        orders = [(*ahead, *order) for order in _orders(self.wanted, self.lexis)]
        rest = self._sought(orders, lead, finish)
        if opening:
            node = sequence(opening, optional(self.lexis.comma), self.lexis.space, rest)
        elif start:
            node = sequence(start.opening, self._sought(orders, lead, finish, further=True))
        else:
            first = inserts[0]
            others = [order[1:] for order in orders if order[0] == first]
            at_once = sequence(first.opening, self._sought(others, lead, finish, further=True))
            node = choice(at_once, sequence(self.lexis.first, self.lexis.space, rest))
        low = given * bool(opening) + sum(insert.least for insert in inserts)
        high = given + sum(lead + finish + insert.most + insert.article for insert in inserts)
        return low, high, node

    def _sought(
        self, orders: list[tuple[Insert, ...]], lead: int, finish: int, *, further: bool = False
    ) -> Node:
        """Return what leads to the inserts of some orders.

        Each comes in some words, in any of the orders; where none has come in time, a sentence begins with
        the next.

        Args:
            orders: The orders.
            lead: The words in which one may come.
            finish: The words in which the sentence before is ended then.
            further: Whether another one stands before.
        """
        if not orders[0]:
            return Literal("")
        joint = sequence(optional(self.lexis.after), self.lexis.space) if further else Literal("")
        first = orders[0][0]
        late = sequence(
            repeat(self._free, lead, lead),
            repeat(self._within, 0, finish - 1),
            self.lexis.final,
            self.lexis.ends,
            self.lexis.between,
            first.opening,
        )
        near = 2 if further else 0
        soon = repeat(self._free, near, max(near, lead))
        if len(orders) == 1:  # what comes behind both ways is written once, or each insert would double it
            rest = self._sought([orders[0][1:]], lead, finish, further=True)
            return sequence(joint, choice(sequence(soon, choice(first.node, first.opening)), late), rest)
        ways = {}
        for each in dict.fromkeys(order[0] for order in orders):
            others = [order[1:] for order in orders if order[0] == each]
            ways[each] = self._sought(others, lead, finish, further=True)
        reached = choice(*(sequence(choice(each.node, each.opening), rest) for each, rest in ways.items()))
        others = [order[1:] for order in orders if order[0] == first][:1]
        behind = self._sought(others, lead, finish, further=True)
        return sequence(joint, choice(sequence(soon, reached), sequence(late, behind)))

    def _onward(self, low: int, high: int) -> Node:
        """Return the words after the last that must occur, up to the end."""
        tail = sequence(optional(self.lexis.after), self.lexis.space, self._tail(low, high))
        return tail if self.wanted.closing or self.wanted.words.least > low else choice(tail, self.lexis.ends)

    def _tail(self, low: int, high: int) -> Node:
        """Return the words after those that are counted already, up to the end."""
        words, closing = self.wanted.words, self.wanted.closing
        given = len(closing.split())
        least, most = max(1, words.least - low), self.wanted.most - high
        if most < max(least, given + 1):
            raise NotSteerableError(f"{words} words leave no room for what must occur.")
        finish = min(40, most - least + 1)
        if finish >= _FINISH:
            far = most - finish
            late = sequence(
                repeat(self._free, far, far), _ended(self.lexis, max(1, least - far), finish, closing)
            )
            if closing:
                near = max(0, least - given)
                soon = sequence(repeat(self._free, near, max(near, far)), closing)
            else:
                near = least - 1
                soon = sequence(repeat(self._free, near, max(near, far)), self.lexis.final, self.lexis.ends)
            return late if near > far else choice(soon, late)
        run = min(least - 1, max(0, most - _FINISH))
        return sequence(_times(self._free, run, run), _ended(self.lexis, least - run, most - run, closing))


@define
class _Search:
    """What a search for ways through sentences knows."""

    dead: set[tuple[int, int, int]] = Factory(set)
    """From where none leads on: the number of a sentence, and the words before it."""

    steps: int = 0
    """The sentences that were tried so far."""


@frozen
class _Counted:
    """Prose of so many sentences."""

    lexis: Lexis
    wanted: Prose

    def node(self) -> Node:
        """Return the pattern."""
        wanted = self.wanted
        sentences = wanted.sentences or Bounds()
        least = max(1, sentences.least)
        most = least + 3 if sentences.most is None else sentences.most
        least = max(least, min(most, -(-wanted.words.least // _EASY)))
        if sentences.least == 0:
            least = min(most, max(1, len(wanted.inserts)))
        ways: list[Node] = []
        for order in _orders(wanted, self.lexis):
            ways += self._roomy(order, least, most) or self._tight(_spread(order, least), most)
        if not ways:
            raise NotSteerableError(f"{wanted.words} words leave no room for {wanted.sentences} sentences.")
        return choice(*ways)

    def _roomy(self, inserts: tuple[Insert, ...], least: int, most: int) -> list[Node]:
        """Return the way where every sentence may be as long as the model likes.

        None where the words do not allow it.
        """
        wanted = self.wanted
        floor = max(_SENTENCE.least, -(-wanted.words.least // least))
        if wanted.subject:
            least = max(least, min(most, 2))
        while most > least and min(max(30, floor + 15), _SENTENCE.top) * most > wanted.most:
            most -= 1
        longest = min(max(_SENTENCE.top, floor + 20), wanted.most // most)
        if longest < min(max(30, floor + 15), _SENTENCE.top) or (wanted.closing and most == 1):
            return []
        bounds = Bounds(floor, longest)
        parts: list[Node] = []
        shares = _spread(inserts, least)
        free = sentence(self.lexis, bounds)
        for index, share in enumerate(shares):
            opening = wanted.opening if index == 0 else ""
            closing = wanted.closing if index == most - 1 else ""
            parts += [self.lexis.between, sentence(self.lexis, bounds, share, opening, closing)]
        ends_there = wanted.closing and most == 2  # the second sentence is the last one
        if wanted.subject and len(shares) > 1 and not shares[0] and not ends_there:
            parts[1:4] = [
                named(self.lexis, bounds, self.lexis.between, wanted.subject, shares[1], wanted.opening)
            ]
        spare = most - least
        if wanted.closing and spare:
            last = sentence(self.lexis, bounds, (), "", wanted.closing)
            parts += [repeat(sequence(self.lexis.between, free), 0, spare - 1), self.lexis.between, last]
        else:
            parts.append(repeat(sequence(self.lexis.between, free), 0, spare))
        return [sequence(*parts[1:])]

    def _tight(self, shares: list[tuple[Insert, ...]], most: int) -> list[Node]:
        """Return the ways with the words counted, which begin with the subject where that can be."""
        if (subject := self.wanted.subject) and self.wanted.most >= _TEXT:
            with suppress(NotSteerableError):
                named_first = [(subject, *shares[0]), *shares[1:]]
                if ways := self._from(named_first, most, 0, 0, 0, _Search()):
                    return ways
        return self._from(shares, most, 0, 0, 0, _Search())

    def _from(
        self,
        shares: list[tuple[Insert, ...]],
        most: int,
        index: int,
        low: int,
        high: int,
        search: _Search,
    ) -> list[Node]:
        """Return the ways on from a sentence, with so many words behind it.

        Raises:
            NotSteerableError: They are too many.
        """
        if (index, low, high) in search.dead:
            return []
        search.steps += 1
        if search.steps > _STEPS:
            raise NotSteerableError("the pattern of all would be too large.")
        left, lacking = self.wanted.most - high, max(0, self.wanted.words.least - low)
        share = shares[index] if index < len(shares) else ()
        must = max(0, len(shares) - index - 1)
        joint = self.lexis.between if index else Literal("")
        opening = self.wanted.opening if index == 0 else ""
        ways: list[Node] = []
        if must == 0:
            bounds = Bounds(max(_SENTENCE.least, lacking), min(left, max(44, lacking + 20)))
            with suppress(NotSteerableError):
                ways.append(
                    sequence(joint, sentence(self.lexis, bounds, share, opening, self.wanted.closing))
                )
        if index + 1 < most and (must or left >= 2 * 18):
            for bounds in self._lengths(left, max(1, must), lacking):
                rest = self._from(shares, most, index + 1, low + bounds.least, high + bounds.top, search)
                if rest:
                    with suppress(NotSteerableError):
                        ways.append(
                            sequence(joint, sentence(self.lexis, bounds, share, opening), choice(*rest))
                        )
        if not ways:
            search.dead.add((index, low, high))
        return ways

    def _lengths(self, left: int, further: int, lacking: int) -> Iterable[Bounds]:
        """Return lengths that a sentence before the last may have, with some room left for those after it."""
        least = max(_SENTENCE.least, min(left // (further + 1) - 8, -(-lacking // (further + 1))))
        most = min(34, left - further * 12)
        step = max(5, (most - least) // 2 + 1)
        return [
            Bounds(begin, min(most, begin + step - 1))
            for begin in range(least, most + 1, step)
            if begin + 3 <= most
        ]


def _spread(inserts: tuple[Insert, ...], count: int) -> list[tuple[Insert, ...]]:
    """Return the inserts in shares for so many sentences, in order; the first has none where it can."""
    ahead = 1 if 0 < len(inserts) < count else 0
    size, extra = divmod(len(inserts), count - ahead)
    ends = [(index + 1) * size + min(index + 1, extra) for index in range(count - ahead)]
    return [()] * ahead + [inserts[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
