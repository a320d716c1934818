"""A table as a value: markdown in and out, questions about it, and changes to it."""

from mellea import ModelOption, start_session
from mellea.core import OutputParseError
from mellea.stdlib.components.docs.table import Table

STOCK = Table.from_markdown("""
| item  | pieces |
| ----- | ------ |
| lamp  | 3      |
| chair | 5      |
""")

with start_session(
    backend="hf",
    model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 32},
) as m:
    print(m.query(STOCK, "How many chairs are there?"))
    try:
        changed = m.transform(STOCK, "Swap its rows and columns.")
        print(f"{len(changed.rows)} rows under {', '.join(changed.header)}")
    except OutputParseError as error:  # neither a method called nor a table written
        print(error.message)

print(STOCK.transpose().to_markdown())
