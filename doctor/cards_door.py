"""Cards of the checks at the door."""

from .card import Card

DOOR = {
    "inputs": Card(
        "Recordings, runs, events, features and ROIs fit each other",
        "Something that is read is missing, or does not fit the rest",
        "How recordings, runs, events, features and ROIs fit each other",
        "static",
        3,
        (1, 10, 14, 17, 18, 19, 20),
        "What does not fit is joined wrongly or not at all; nothing is computed then.",
        "Follow the message; it names the file, and what was expected of it.",
    ),
    "sides": Card(
        "The headers of an image agree on which side is left",
        "An image's header tells left and right apart in two ways",
        "Which side is left, by the headers of images",
        "static",
        3,
        (17,),
        "A header that was flipped puts every voxel on the other side of the brain.",
        "Look at the image beside one that is known; write both transforms alike.",
    ),
    "header-tr": Card(
        "Headers or sidecars of all runs say the TR of the study file",
        "Headers do not say the TR of the study file",
        "The TR in headers",
        "static",
        2,
        (),
        "A TR that stands in the study file alone is believed: if it is wrong, sound "
        "and responses fall out of step. One that a header contradicts is refused.",
        "Compare dataset.tr_s with the scanner's protocol; keep sidecars with images.",
    ),
    "event-end": Card(
        "Events last about as long as the recorded volumes",
        "Events end long before the volumes do",
        "How long events and volumes last",
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
        "The moment that volumes stand for",
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
        "Voxels without a signal",
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
        "How much voxels vary in each run",
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
        "Columns where there is no cortex",
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
        "Numbers of repeats of test clips",
        "static",
        1,
        (9,),
        "Means over fewer repeats are noisier, and a ceiling assumes equal numbers.",
        "Check the events; drop the lead-in if it plays a clip once more.",
    ),
    "shared-clips": Card(
        "Test clips share no track and no sound with training",
        "Test clips share a track or a sound with training",
        "What test clips share with training",
        "static",
        3,
        (8,),
        "A model that has met the clip, or its track, predicts from memory.",
        "Read the scores on artist-safe and duplicate-safe clips, or move the clips.",
    ),
    "folds": Card(
        "Folds of training are whole runs that share no clip, also in decoding",
        "Folds of training cut runs, or share clips",
        "Folds of training",
        "static",
        2,
        (6,),
        "Neighbouring samples share haemodynamics and noise: folds inside a run choose "
        "penalties that are too small, and training scores that are too high. So does "
        "a clip that is heard in two folds.",
        "Leave decoding.folds at 'run' ('clip' is there to follow the paper), and "
        "choose encoding.folds so that runs with the same clips are in one.",
    ),
    "roi-origin": Card(
        "It is known which responses ROIs were made from",
        "ROIs were made from test responses",
        "What ROIs were made from",
        "static",
        2,
        (10,),
        "Voxels that were chosen by test responses have scores that are too high in "
        "these, truth or not.",
        "Say it: rois.made_from = ['train'], or ['other: a localiser'].",
    ),
}
