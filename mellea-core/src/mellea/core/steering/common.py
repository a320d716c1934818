"""Common English words.

Models know words in capitals as pieces only, and make up new ones from them. In capitals a text keeps to
these words, those of the prompt, and those that are asked for.
"""

from __future__ import annotations

__all__ = ["COMMON"]

_WORDS = """
a about above across act add after again against air all almost alone along already also always am among
an and animal another answer any are area around arrive art as ask at away back bad be became because
become been before began begin behind being believe best better between big black body book born both boy
bread break bright bring brought build but by call came can care carry cause change child choose city
clean clear close cold color come common cook could country course create culture daily dark day decide
deep did dinner do does done door down dream during each early earth easy end energy enjoy enough even
evening ever every example face fact fall family far fast father feet few field find fine fire first
flower follow food for forest form found free fresh friend friends from front full fun future game garden
get give go good great green ground group grow had hand happen happy hard has have he head health hear
heard heart help her here high him his history hold home hope hour hours house how human i idea if in
inside into is it its job join journey joy just keep kind kitchen know land large last late learn leave
left less let letter life light like line listen little live lives local long look lost lot love made
make many mark market may me mean meet might mind moment money more morning most move much music must my
name natural nature near need never new next nice night no not note nothing now number of off often old
on once one only open or order other our out outside over own part past path pay peace people perfect
person place plan play please point power present problem promise provide put quick quiet rain reach read
ready real really reason rest right river road room safe same save say school season see seem sense serve
set several shall share she shine shop short should show side simple since small smile so soft some
someone song soon sound space speak special spirit spring stand start state stay step still stop story
strong such sure take talk taste teach team than thank that the their them then there these they thing
things think third this those though thought through time to today too top town travel true trust try
turn under until up us use useful very visit wait walk want warm was watch water way ways we weather well
went were what when where which while who whole why wide wild will wind window wish with within without
wonder word work world would write year years yet you young your
"""

COMMON: tuple[str, ...] = tuple(_WORDS.split())
