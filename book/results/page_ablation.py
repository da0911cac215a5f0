"""The results page's table of what each part of the modern recipe is worth, from ``ablation.jsonl``."""

from __future__ import annotations

import statistics

WORDS = {  # by the part that ``ablate.py`` takes away
    "nothing": "the whole recipe",
    "AdamW": "SGD with momentum in the place of AdamW",
    "cosine": "the peak rate kept after the warm-up",
    "warm-up": "no warm-up",
    "label smoothing": "no label smoothing",
    "weight decay": "no weight decay",
    "plain images": "images shifted and mirrored, which this network's recipe leaves out",
    "augmentation": "images as they are",
    "shifts": "images mirrored and not shifted",
}


def table(records: list[dict], title: str) -> str:
    """Markdown: a row for each variant with held-out accuracy and its difference from the whole recipe, seed by seed.

    Args:
        title: the network in words.
        records: its lines of ``ablation.jsonl``; the longest trainings of each variant that the whole recipe has, too, count.

    Returns:
        The table, or an empty string without records.
    """
    lengths = [
        (record["images"] * record["epochs"], record["images"]) for record in records if record["removed"] == "nothing"
    ]
    if not lengths:
        return ""
    seen, images = max(lengths)
    accuracies: dict[str, dict[int, float]] = {}
    for record in records:
        if (record["images"], record["epochs"]) == (images, seen // images):
            accuracies.setdefault(record["removed"], {})[record["seed"]] = record["held_out_acc"][-1]
    whole = accuracies["nothing"]
    lines = [
        f"| {title}, {seen // images} epochs of {images:,} images | held-out accuracy | difference |",
        "|---|---|---|",
    ]
    for removed, words in WORDS.items():
        of_seed = accuracies.get(removed, {})
        if not of_seed:
            continue
        gains = [accuracy - whole[seed] for seed, accuracy in of_seed.items() if seed in whole]
        difference = "" if removed == "nothing" or not gains else _mean_and_spread(gains, "+.3f")
        lines.append(f"| {words} | {_mean_and_spread(list(of_seed.values()), '.3f')} | {difference} |")
    return "\n".join(lines)


def _mean_and_spread(values: list[float], form: str) -> str:
    """``0.921 ± 0.002 (3 seeds)``; a single value has no spread."""
    mean = f"{statistics.mean(values):{form}}".replace("-", "−")
    if len(values) == 1:
        return f"{mean} (1 seed)"
    return f"{mean} ± {statistics.stdev(values):.3f} ({len(values)} seeds)"
