"""What is the same for models and corpora from the Hugging Face Hub."""

from __future__ import annotations


def broken_off() -> tuple[type[Exception], ...]:
    """What a download raises that breaks off, or that the Hub refuses."""
    # Here, not above: the Hub's client is slow to import and most calls never need it.
    from huggingface_hub import errors

    # Transport errors are named through the client because the library under it changes between versions; the one
    # that fetches large files, hf_xet, has nothing but RuntimeError for them.
    return errors.HTTPError, OSError, RuntimeError  # type: ignore[attr-defined]


def first_line(error: Exception) -> str:
    """What an error of the client says, without its explanations."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
