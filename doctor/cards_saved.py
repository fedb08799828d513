"""Cards of the checks of saved results."""

from .card import Card

SAVED = {
    "stale": Card(
        "What is saved was made from the inputs that are there now",
        "Saved results were made from something else than there is now",
        "What saved results were made from",
        "saved",
        3,
        (25,),
        "Tables and figures of an earlier state of the data look as good.",
        "Run the study again: what is stale is made again.",
    ),
    "grid-ends": Card(
        "Penalties are chosen inside their grid",
        "Penalties are chosen at the end of their grid",
        "Where in their grid penalties lie",
        "saved",
        1,
        (12,),
        "A best penalty at the end of its grid may not be the best.",
        "Widen encoding.alphas at the end that is named.",
    ),
    "above-ceiling": Card(
        "No score lies above its ceiling",
        "Scores lie above their ceiling",
        "Scores beside their ceilings",
        "saved",
        2,
        (22,),
        "A score above what repeats have in common means a wrong ceiling, or drift "
        "that repeats share.",
        "Read the ceilings less drift, and the blocks of time.",
    ),
    "ceiling-table": Card(
        "Saved ceilings are what the saved responses' repeats have in common",
        "Saved ceilings are not what the saved responses' repeats have in common",
        "Saved ceilings beside saved responses",
        "saved",
        3,
        (22,),
        "A score is read against its ceiling: a wrong one makes a model look as good, "
        "or as bad, as it is not.",
        "Run the study again; if that does not help, report this.",
    ),
    "prior": Card(
        "What is generated depends on the brain",
        "What is generated does not depend on the brain",
        "What generated music depends on",
        "saved",
        3,
        (31,),
        "A generator that makes as fitting music from a random or a mean response "
        "shows its training set, not the brain.",
        "Do not read the generated music as decoded; start from what was retrieved.",
    ),
    "pools": Card(
        "Each score of decoding says how many it chose among, and how ties count",
        "Scores of decoding do not say what they chose among",
        "What scores of decoding were chosen among",
        "saved",
        1,
        (30,),
        "0.9 among two and 0.4 among ten may be the same decoder.",
        "Run the study again; tables of this version have these columns.",
    ),
    "group-size": Card(
        "How many people a group result rests on",
        "How many people a group result rests on",
        "How many people a group result rests on",
        "saved",
        1,
        (33,),
        "Five people show what is in these five; a sign test of five cannot pass 0.05 "
        "two-sided.",
        "Report subjects one by one beside the group.",
    ),
}
