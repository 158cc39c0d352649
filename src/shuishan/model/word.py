"""What every word of the model has in common."""

from pydantic import BaseModel, ConfigDict


class Word(BaseModel):
    """An immutable value that can be stored, sent and compared; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Word):
    """One sentence for people, in both languages of the house."""

    en: str
    zh: str

    def in_language(self, language: str) -> str:
        """The sentence in `language` ("zh…" for Chinese, anything else English)."""
        return self.zh if language.lower().startswith("zh") else self.en
