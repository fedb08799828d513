"""What the page is made of, and what it says: sections, captions and texts."""

CAPTIONS = {
    "planted_recovered": "what was planted, and the parts that came back",
    "roi_comparison": "held-out r of each feature space by itself, per ROI",
    "parts": "what each feature space adds to the joint R2 (product measure)",
    "differences": "paired differences of feature spaces",
    "flatmap": "held-out r of the joint model and of each feature space by itself",
    "best_space": "the feature space with the largest r2 on held-out training folds, "
    "and by how much its r is larger on the test runs",
    "two_spaces": "held-out r of two feature spaces, each by itself",
    "components": "main components of the joint model's weights, as colours",
    "template_r": "mean over subjects of the joint model's held-out r",
    "gradient": "gradient index: which side of the feature spaces explains more",
    "q_map": "where r is more than chance: q of the joint model and of each feature "
    "space by itself",
    "ceiling_map": "what repeats have in common, the largest r that leaves, and r over "
    "it",
    "added_map": "what one feature space adds to another",
    "partition_map": "unique and shared variance",
    "density": "held-out r of voxels under two feature spaces, each by itself",
}

STIMULI = ("subset_scores", "shared_clips")
COMPARED = ("roi_summaries", "hemispheres", "hierarchy", "gradient")
DIFFERENCES = ("roi_differences", "roi_summary_differences")
VOXELS = ("density", "weight_components")
CEILINGS = ("ceilings", "drift_ceilings")
PARTITION = ("partition", "partition_views")
DECODING = (
    "decoding",
    "decoding_controls",
    "decoding_rows",
    "decoding_chosen",
    "decoding_labels",
    "decoding_confusion",
    "decoded_dimensions",
)
GENERALISED = (
    "decoding_genres",
    "decoding_transfer",
    "decoding_across",
    "decoding_groups",
)
COURSES = (
    "decoding_windows",
    "decoding_lags",
    "decoding_optimism",
    "decoding_alphas",
)
RECONSTRUCTION = (
    "retrieval",
    "generation",
    "generation_genres",
    "class_agreement",
    "retrieval_in_time",
    "generation_in_time",
    "retrieved",
)
MAPS = ("flatmap", "best_space", "two_spaces", "components", "template_r")
SECTIONS = (
    ("truth", "Planted and recovered", ("planted_recovered",), ("truth",)),
    ("rois", "Feature spaces per ROI", ("roi_comparison", "parts"), ("roi_scores",)),
    ("significance", "More than chance?", ("q_map",), ("roi_significance",)),
    ("ceilings", "Noise ceilings", ("ceiling_map",), CEILINGS),
    ("differences", "Paired differences", ("differences",), DIFFERENCES),
    ("added", "What one adds to another", ("added_map",), ("added",)),
    ("partition", "Unique and shared variance", ("partition_map",), PARTITION),
    ("compared", "ROIs summed up and compared", ("gradient",), COMPARED),
    ("group", "All subjects together", (), ("group",)),
    ("maps", "Maps", MAPS, ("best_space_counts", "map_correlations")),
    ("voxels", "Voxels under two models", ("density",), VOXELS),
    ("layers", "Layers", (), ("layers",)),
    ("stimuli", "Clips that training and test share", (), STIMULI),
    ("decoding", "Decoded from responses", (), DECODING),
    ("generalised", "Decoding of what was not learned", (), GENERALISED),
    ("courses", "Decoding in time, and by folds", (), COURSES),
    ("reconstruction", "From brain to music", (), RECONSTRUCTION),
    ("alignment", "Sound and volumes", (), ("lags", "alignment")),
)
WARNINGS = (
    "nothing can be significant in fewer",
    "no p of voxels",
    "repeats share a run and an order",
    "scores lie above the ceiling",
    "a two-sided sign test cannot",
    "intervals rest on",
)
TEXTS = {
    "rois": (
        "Scores on the test runs, which chose nothing. r_low and r_high bound a 95 % "
        "interval of r_mean, from a bootstrap over clips, or over blocks of time where "
        "no clips are named. Parts (model 'part') sum to the joint score."
    ),
    "differences": (
        "Mean r of a minus mean r of b, each feature space by itself, with the 95 % "
        "interval of the difference from the same resamples for both; low_all, "
        "high_all and p_all hold for all ROIs of a pair at once, and fill the points "
        "of the figure; pairs are not corrected for their number. Other summaries "
        "than the mean have a table of their own."
    ),
    "significance": (
        "Test predictions are moved in time against responses that stay (runs turned "
        "around, or clips that change places); p is one-sided: how often chance does "
        "as well. q_bh and q_by bound the share of false discoveries among voxels, "
        "p_max and p_all are corrected for all voxels or ROIs at once. n_found counts "
        "voxels at q of 0.05; n_gaussian is what the paper's null of independent "
        "samples would find, for comparison alone: it finds too much. p and q of each "
        "voxel are in voxel_significance and in maps/."
    ),
    "maps": (
        "The best feature space is chosen on held-out training folds and its margin "
        "measured on test runs; it is pale where the joint model is not more than "
        "chance, and left out where no feature space predicts held-out training "
        "folds. Tables: how many voxels of each ROI each feature space is the best of; "
        "how alike the maps of two feature spaces are (r_of_maps), each by itself, "
        "where p_spin is against the same maps turned on the sphere, which keeps them "
        "as smooth as they are."
    ),
    "ceilings": (
        "What repeats of the test clips have in common, and the largest r that a model "
        "can reach with the mean of n_averaged of them, with 95 % intervals (jackknife "
        "over clips). Normalised scores (r_over_largest_r) stand beside raw ones. "
        "drift_share is an estimate of what drift adds where repeats share a run and "
        "an order; drift_ceilings are what planted drift alone would give there."
    ),
    "added": (
        "r2 of the model with both feature spaces less r2 of the model of the one that "
        "is added to. Intervals and p of an ROI come from a bootstrap over clips, "
        "n_voxels_found counts voxels at q of 0.05 (sign flips of clips); voxels are "
        "in voxel_added."
    ),
    "partition": (
        "Set algebra over the models of all subsets: a region of one name is a unique "
        "share. Regions may be below 0, since scores are estimates; r2_positive are "
        "the nearest ones that are not, and score_bias is what that takes. low, high "
        "and p are from a bootstrap over clips, those with _all for all ROIs at once. "
        "The views set product measure, unique share and stacking side by side; notes "
        "say where they disagree, in ROIs that are more than chance."
    ),
    "compared": (
        "Mean, median and best tenth of each ROI; the tenth is chosen by scores on "
        "held-out training folds. Hemispheres: left less right. Hierarchy: change of "
        "the score per level. Gradient index: -1 if all is explained by the low-level "
        "feature spaces, 1 if by the high-level ones."
    ),
    "group": (
        "Each subject is a replication first. p_sign cannot go below smallest_p_sign; "
        "prevalence is how common the effect is among people, from the subjects that "
        "show it by themselves, each by a p corrected for all ROIs (counted_by); mean "
        "and p_mean are of a random-effects model with n_subjects - 1 degrees of "
        "freedom. p_sign and p_mean are of one ROI; q_sign and q_mean are corrected "
        "over the ROIs of an effect (Benjamini-Hochberg)."
    ),
    "voxels": (
        "How many voxels have each pair of scores, and the feature loadings of the "
        "three main components of the joint model's weights, delays averaged (red, "
        "green and blue in maps/)."
    ),
    "layers": (
        "Each voxel, or ROI, takes the layer whose plain ridge does best on held-out "
        "training folds (cv_r2_mean); the choice is then scored once on the test runs."
    ),
    "stimuli": (
        "Test clips that share a track, an artist or their sound with a training clip, "
        "and the scores on the test clips that do not. A duplicate-safe clip shares no "
        "track and no sound; an artist-safe one no known artist besides, and its own "
        "artist is known."
    ),
    "reconstruction": (
        "Music that was found in a corpus, or made by a generator, by what was decoded "
        "of each test clip. Identification: how often the clip's own embedding "
        "correlates more with that of its track (or of what was made) than the other "
        "test clips' do; 'chance' is what guessing scores with the ties there are, low "
        "and high bound a 95 % interval over clips, p is by permutation of clips. "
        "'oracle' is the track nearest to the true embedding, the best that this "
        "corpus and search allow. Four controls know nothing and must be at chance: "
        "tracks found by the mean of the training clips' embeddings, and by random "
        "ones with their mean and covariance, what other clips retrieved, and random "
        "tracks; so must the control ROI, where one is named. Pools: all "
        "test clips, or those that share nothing with training; "
        "'search' is exact, or by the nearest cells of the corpus. What a space found "
        "looks better by that space than it is: scored_by names a second one where "
        "the study has "
        "it. A generator that makes of random or mean embeddings what it makes of "
        "decoded ones shows its prior alone: both must be at chance. Where candidates "
        "are ranked by the response, controls of the ranking (and the control ROI) "
        "show how much that alone identifies. Agreement of classes is the overlap of "
        "the most probable ones; "
        "its chance is that of different clips, and an oracle is what one track "
        "reaches with itself, or the track nearest to it. To listen: a clip of "
        "each genre, or a few evenly spread, not chosen by their scores."
    ),
    "decoding": (
        "Feature spaces read from the responses of test runs. Identification: how "
        "often a decoded clip correlates more with its own target than with another "
        "clip's (a tie is no win); chance is counted with the targets' ties, low and "
        "high bound a 95 % interval over clips, p is one-sided by clips that change "
        "places. Random and mean embeddings must be at chance: where they are not, "
        "read no number of that pool; shuffled clips show how far luck goes. "
        "decoded_dimensions: r over test rows, with p by turning runs."
    ),
    "generalised": (
        "Genres: identification of a genre's test clips with and without the genre in "
        "training, among all test clips and among its own. High among all and at "
        "chance in its own: the genre is told from others, its clips not from each "
        "other. Transfer: trained on one genre alone. Across: each subject decoded "
        "by the others (trained_on), aligned on training runs."
    ),
    "courses": (
        "Identification by the place of a row in its clip, and by one volume alone, so "
        "many after the onset (lag). Chance of a place is the larger of what the "
        "predictions of other clips score there (permuted) and of what ignorance does. "
        "Optimism: what training scores gain where folds "
        "part clips of a run, and not runs. decoding_alphas: r in training and on "
        "held-out folds at multiples of the penalties that were chosen."
    ),
    "alignment": (
        "Which seconds of sound meet which volumes, counted from the onset of a clip "
        "that starts with a volume. Lags were compared on training runs alone."
    ),
    "truth": (
        "Recovered is the feature space with the largest mean part of the joint r, or "
        "none where the ROI's joint r lies inside the 99 % interval of its own null "
        "(blocks of the test set moved against the predictions)."
    ),
}
