"""Cards of shifts in time, and of what must predict nothing."""

from .card import Card

CHANCE = {
    "shift-lag": Card(
        "Responses follow the sound by a lag that blood can have",
        "Responses do not follow the sound as blood does",
        "The lag of responses after the sound",
        "shift",
        3,
        (1,),
        "A best lag that is negative, zero or very long means that sound and volumes "
        "are out of step in all runs: dropped volumes, a wrong TR, wrong onsets.",
        "Check the onsets' zero against the first volume that is in the file.",
    ),
    "shift-run": Card(
        "Every run has the best lag of the others",
        "A run is out of step with the others",
        "The best lag of each run",
        "shift",
        3,
        (1,),
        "A run whose own best shift is another one is out of step with the others; it "
        "trains the model on wrong pairs, or is scored on them.",
        "Check that run's dropped volumes, onsets and log.",
    ),
    "swapped-runs": Card(
        "No run fits another run's stimulus, or its own backwards, better",
        "A run fits another stimulus better than its own",
        "Which stimulus each run fits",
        "shift",
        3,
        (3,),
        "Runs that are swapped make every pair of sound and response in them wrong.",
        "Check the order of the files, and of the volumes in them, against the events "
        "of the runs that are named.",
    ),
    "shift-drift": Card(
        "Sound and responses stay in step from the start of a run to its end",
        "Sound and responses fall out of step within runs",
        "The lag from the start of runs to their end",
        "shift",
        3,
        (1,),
        "A lag that grows or shrinks within runs means a wrong TR, or volumes that "
        "were lost on the way: rows late in a run are of another sound.",
        "Compare dataset.tr_s with the scanner's protocol, and the number of volumes "
        "with the length of the run in its log.",
    ),
    "noise-features": Card(
        "Noise as slow as the features predicts nothing",
        "Noise predicts test responses",
        "What noise predicts",
        "null",
        3,
        (7, 8),
        "Noise that predicts test responses has met them: test rows, or the same "
        "clips, are in training.",
        "Look for clips on both sides, and for anything fitted on all runs.",
    ),
    "permuted-clips": Card(
        "Features of other clips predict nothing beyond their position",
        "Features of other clips predict test responses",
        "What features of other clips predict",
        "null",
        3,
        (8,),
        "Scores that stay when clips change places do not rest on what was heard.",
        "Look for clips on both sides, and at the control of clip position.",
    ),
    "shuffled-test": Card(
        "Predictions do not fit test responses that are out of order",
        "Predictions fit test responses that are out of order",
        "Predictions beside test responses that are out of order",
        "null",
        3,
        (),
        "A score of responses in a wrong order is the score's own floor, and not zero: "
        "what runs share at the same time, such as silence at both ends, or a leak.",
        "Look at the null of the study, and at drifts that all runs share.",
    ),
    "p-values": Card(
        "p of noise features is small as rarely as it says",
        "p is smaller than it should be",
        "p of noise features",
        "null",
        3,
        (13,),
        "Permutations that ignore autocorrelation call noise significant.",
        "Take analysis.null = 'shift', or longer blocks.",
    ),
    "controls": Card(
        "What controls predict",
        "What controls predict",
        "What controls predict",
        "null",
        1,
        (7,),
        "Position in the clip and loudness may truly predict responses; a feature "
        "space has to do better than they do.",
        "Read each space's score beside these.",
    ),
}
