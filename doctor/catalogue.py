"""The checks: what each asks, which failures it finds, why it matters, what to do.

`modes` are numbers of the table of failure modes in docs/doctor.md.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["static", "shift", "null", "oracle", "invariance", "confounds", "saved"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Card:
    """One check.

    Parameters
    ----------
    title : str
        What is asked, as a statement that holds when the check passes.
    fault : str
        The same, as a statement that holds when it fails.
    kind : str
    weight : int
        3: numbers are of something else than they say. 2: they are biased, or of fewer
        data. 1: worth a look.
    modes : tuple of int
    why, advice : str
        What it does to the numbers, and what to do.
    """

    title: str
    fault: str
    kind: Kind
    weight: int
    modes: tuple[int, ...]
    why: str
    advice: str


CARDS = {
    "inputs": Card(
        "Recordings, runs, events, features and ROIs fit each other",
        "Something that is read is missing, or does not fit the rest",
        "static",
        3,
        (1, 10, 14, 17, 18, 19, 20),
        "What does not fit is joined wrongly or not at all; nothing is computed then.",
        "Follow the message; it names the file, and what was expected of it.",
    ),
    "sides": Card(
        "The headers of an image agree on which side is left",
        "An image's header tells left and right apart in two ways",
        "static",
        3,
        (17,),
        "A header that was flipped puts every voxel on the other side of the brain.",
        "Look at the image beside one that is known; write both transforms alike.",
    ),
    "event-end": Card(
        "Events last about as long as the recorded volumes",
        "Events end long before the volumes do",
        "static",
        3,
        (1,),
        "Events that end long before or after the scan mean a wrong TR, cropped "
        "volumes, or the events of another run: sound and responses are out of step.",
        "Compare dataset.tr_s, the header's TR and the log of the stimulus program.",
    ),
    "reference-time": Card(
        "It is known to which moment the volumes were brought",
        "Volumes of some runs stand for another moment than those of others",
        "static",
        1,
        (2,),
        "Slice timing that was corrected to the start or the middle of a TR moves the "
        "responses by up to half a TR, in some runs and not in others.",
        "Set responses.reference_time to 'sidecar', or correct all runs alike.",
    ),
    "dead-voxels": Card(
        "Every voxel varies, and is a number, in every run",
        "Voxels are without a signal in a run",
        "static",
        2,
        (14, 15),
        "Voxels without a signal in one run are left out of the whole subject; many of "
        "them mean a slab or a mask that moved.",
        "Look at the runs that are named, and at the mask.",
    ),
    "odd-run": Card(
        "Voxels vary about as much in each run",
        "Voxels vary far more, or far less, in a run",
        "static",
        2,
        (15,),
        "A voxel that varies many times more in one run carries an artefact there, "
        "which rules the fit.",
        "Look at the run; leave it out, or censor its volumes.",
    ),
    "medial-wall": Card(
        "No column lies where there is no cortex",
        "Values lie where there is no cortex",
        "static",
        2,
        (16,),
        "Values on the medial wall are resampled from elsewhere and count as cortex in "
        "every map and mean.",
        "Set dataset.mask to 'cortex', or give a mask without the wall.",
    ),
    "repeats": Card(
        "Test clips have equal numbers of repeats",
        "Test clips have unequal numbers of repeats",
        "static",
        1,
        (9,),
        "Means over fewer repeats are noisier, and a ceiling assumes equal numbers.",
        "Check the events; drop the lead-in if it plays a clip once more.",
    ),
    "shared-clips": Card(
        "Test clips share no track and no sound with training",
        "Test clips share a track or a sound with training",
        "static",
        3,
        (8,),
        "A model that has met the clip, or its track, predicts from memory.",
        "Read the scores on artist-safe and duplicate-safe clips, or move the clips.",
    ),
    "folds": Card(
        "Folds of training are whole runs, also in decoding",
        "Folds of training cut runs",
        "static",
        2,
        (6,),
        "Neighbouring samples share haemodynamics and noise: folds inside a run choose "
        "penalties that are too small, and training scores that are too high.",
        "Leave decoding.folds at 'run'; 'clip' is there to follow the paper.",
    ),
    "shift-lag": Card(
        "Responses follow the sound by a lag that blood can have",
        "Responses do not follow the sound as blood does",
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
        "null",
        3,
        (8,),
        "Scores that stay when clips change places do not rest on what was heard.",
        "Look for clips on both sides, and at the control of clip position.",
    ),
    "shuffled-test": Card(
        "Predictions do not fit test responses that are out of order",
        "Predictions fit test responses that are out of order",
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
        "null",
        3,
        (13,),
        "Permutations that ignore autocorrelation call noise significant.",
        "Take analysis.null = 'shift', or longer blocks.",
    ),
    "controls": Card(
        "What controls predict",
        "What controls predict",
        "null",
        1,
        (7,),
        "Position in the clip and loudness may truly predict responses; a feature "
        "space has to do better than they do.",
        "Read each space's score beside these.",
    ),
    "planted-signal": Card(
        "A planted signal comes back as large as it is",
        "A planted signal does not come back as large as it is",
        "oracle",
        3,
        (27,),
        "If a signal of known size is lost on the way, so is the brain's.",
        "Look at detrending, z-scoring, delays and the penalties' grid.",
    ),
    "planted-band": Card(
        "A planted signal comes back in the feature space that it was planted from",
        "A planted signal comes back in another feature space",
        "oracle",
        3,
        (),
        "Feature spaces are compared: one must not take another's part.",
        "Look at the order of bands, and at spaces that are nearly the same.",
    ),
    "planted-place": Card(
        "A planted signal comes back in its own voxels, and on its own side",
        "Values come back in other voxels than they were planted in",
        "oracle",
        3,
        (17,),
        "Columns that change places on the way to a map make maps of somewhere else.",
        "Look at the mask, the mesh and the vertices of the recording.",
    ),
    "repeat-ceiling": Card(
        "The mean of the other repeats reaches the ceiling",
        "The ceiling is not what repeats reach",
        "oracle",
        2,
        (22,),
        "A ceiling that the data themselves do not reach is too high, one that they "
        "pass too low.",
        "Look at repeats.",
    ),
    "test-spike": Card(
        "Test rows change nothing of training",
        "Test rows change something of training",
        "invariance",
        3,
        (5,),
        "What is fitted on test rows, if only a mean, makes test scores too good.",
        "Report this: it is a fault of brain2music.",
    ),
    "run-walls": Card(
        "Nothing crosses the border of a run",
        "Features of one run reach into another",
        "invariance",
        3,
        (4,),
        "Delays that reach into the run before pair sound and responses of two runs.",
        "Report this: it is a fault of brain2music.",
    ),
    "voxel-order": Card(
        "The order of voxels, and how many are fitted at once, change nothing",
        "Scores depend on the order or number of voxels",
        "invariance",
        3,
        (27, 28),
        "A voxel's score must not depend on its neighbours in the file.",
        "Report this: it is a fault of brain2music.",
    ),
    "run-order": Card(
        "The order of runs changes nothing",
        "Scores depend on the order of runs",
        "invariance",
        3,
        (3,),
        "Runs are joined by session, task and run, never by their place.",
        "Report this: it is a fault of brain2music.",
    ),
    "second-process": Card(
        "A second process gives the same numbers",
        "A second process gives other numbers",
        "invariance",
        2,
        (28,),
        "Numbers that change from run to run cannot be reported.",
        "Report this: it is a fault of brain2music.",
    ),
    "precision": Card(
        "float32 and float64 give the same scores",
        "float32 and float64 give other scores",
        "invariance",
        2,
        (27,),
        "Nearly singular features lose their digits in float32.",
        "Set encoding.precision to 'float64', or larger penalties.",
    ),
    "extractor": Card(
        "A network gives the same features again, from its own window of sound alone",
        "A network gives other features, or hears what is still to come",
        "invariance",
        3,
        (26,),
        "A network with dropout left on, other weights or another sample rate makes "
        "features that no one can make again; one that hears what is still to come "
        "predicts with it.",
        "Delete what machine.cache keeps of it, fetch the weights again, and report "
        "it if that does not help.",
    ),
    "confounds": Card(
        "How well motion and physiology are predicted by the features, and the reverse",
        "How well motion and physiology are predicted by the features, and the reverse",
        "confounds",
        1,
        (29,),
        "Heads nod to music: a feature space that predicts motion may predict "
        "responses through it.",
        "Set responses.confounds, and compare the scores.",
    ),
    "grid-ends": Card(
        "Penalties are chosen inside their grid",
        "Penalties are chosen at the end of their grid",
        "saved",
        1,
        (12,),
        "A best penalty at the end of its grid may not be the best.",
        "Widen encoding.alphas at the end that is named.",
    ),
    "above-ceiling": Card(
        "No score lies above its ceiling",
        "Scores lie above their ceiling",
        "saved",
        2,
        (22,),
        "A score above what repeats have in common means a wrong ceiling, or drift "
        "that repeats share.",
        "Read the ceilings less drift, and the blocks of time.",
    ),
    "stale": Card(
        "What is saved was made from the inputs that are there now",
        "Saved results were made from something else than there is now",
        "saved",
        3,
        (25,),
        "Tables and figures of an earlier state of the data look as good.",
        "Run the study again: what is stale is made again.",
    ),
    "prior": Card(
        "What is generated depends on the brain",
        "What is generated does not depend on the brain",
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
        "saved",
        1,
        (30,),
        "0.9 among two and 0.4 among ten may be the same decoder.",
        "Run the study again; tables of this version have these columns.",
    ),
    "group-size": Card(
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
