"""What every section of the settings has in common."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """The environment is not usable; the text says which variable and why."""


class Section(BaseSettings):
    """One group of variables. `.env` in the working folder is read too."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        # Field names are for code. As variables they would be $USER, $PORT, $HOST: names that mean
        # something else. No variable's name can begin with "=", so only the aliases are read.
        populate_by_name=True,
        env_prefix="=",
    )
