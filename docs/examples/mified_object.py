"""An object of the program becomes one that a model can be asked about."""

from dataclasses import dataclass

from mellea import ModelOption, mify, start_session


@dataclass
class Employee:
    """Somebody who works here."""

    name: str
    city: str
    salary: int

    def raise_salary(self, percent: int) -> int:
        """Raise the salary and return the new one."""
        self.salary += self.salary * percent // 100
        return self.salary


olivia = Employee("Olivia Reyes", "Lisbon", 52_000)
shown = mify(olivia, fields_exclude={"salary"})

with start_session(
    backend="hf",
    model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 20},
) as m:
    print(m.query(shown, "In which city does Olivia Reyes work?"))
    print("---", m.last_prompt()[0]["content"], "---", sep="\n")

# The view passes for the object, and hands everything on to it.
print(isinstance(shown, Employee), shown.raise_salary(10), olivia.salary)
print("Methods offered as tools:", list(shown.format_for_llm().tools))
