"""All checks, by their keys; the cards themselves are kept by kind."""

from .card import KINDS, Card, Kind
from .cards_chance import CHANCE
from .cards_door import DOOR
from .cards_path import PATH
from .cards_saved import SAVED

__all__ = ["CARDS", "KINDS", "Card", "Kind"]

CARDS: dict[str, Card] = {**DOOR, **CHANCE, **PATH, **SAVED}
