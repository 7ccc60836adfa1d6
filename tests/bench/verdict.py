# SPDX-License-Identifier: MIT
"""What was timed of a row, as lines and as a verdict: red or not."""

import statistics
from dataclasses import dataclass, field

import paired
import step_sides

FLOOR = 0.5  # of what this machine can do, where a ratio of two slow sides would say nothing
LEAST_COSINE = 0.99


@dataclass
class Times:
    side: step_sides.Side
    seconds: list = field(default_factory=list)  # of one time, by turn
    peak: float = 0.0
    alone: float | None = None  # its median without turns

    def take(self, count=1):
        answer = self.side.ask(f"turn {count}")
        self.seconds.append(answer["seconds"])
        self.peak = max(self.peak, answer["peak_rss"])
        return answer

    def median(self):
        return statistics.median(self.seconds)

    def share(self):
        """Of the rate of products or of memory that this machine reaches."""
        return self.side.ready["per_turn"] / self.median() / self.side.ready["per_second"]


def describe(one):
    side, median = one.side, one.median()
    line = (f"  {side.name:<16} {median:9.4f} s  {side.work.done_tokens() / median:8.0f} tokens/s  "
            f"peak {one.peak / 2**30:5.2f} GiB")
    if "unit" in side.ready:
        rate, unit, of = side.ready["per_turn"] / median, side.ready["unit"], side.ready["of"]
        line += (f"  {rate:6.1f} {unit}/s, {one.share():.2f} of {of} "
                 f"({side.ready['per_second']:.1f})")
    if one.alone is not None:
        line += f"  alone {one.alone:.4f} s"
    print(line)


def filling(row, ours):
    """Seconds per step that filling the cache adds, spread over its epochs."""
    if row.ours.teacher not in ("cached", "topk"):
        return 0.0
    read = len(ours.seconds) * row.ours.repeat * row.ours.global_batch
    print(f"  windows read from the cache: {min(read, row.ours.windows)} different ones")
    if not row.epochs:
        return 0.0
    per_window = ours.side.ready["fill_seconds_per_window"]
    added = per_window * row.ours.global_batch / row.epochs
    print(f"  filling the cache: {per_window:.3f} s per window, over {row.epochs} epochs "
          f"{added:.4f} s per step")
    return added


def against_bar(row, value, low, high, judged):
    print(f"  ratio {value:.3f} [{low:.3f}, {high:.3f}]", end="")
    if row.bar is None:
        print("  no bar")
        return True
    red = high < row.bar
    word = "FAIL" if red else "PASS" if value >= row.bar else "PASS (the interval reaches it)"
    print(f"  bar {row.bar}  {word if judged else 'not judged'}", flush=True)
    return not (red and judged)


def of_bound(ratio, ours, theirs):
    """The ratio of times as a part of the ratio that their FLOPs or bytes have."""
    most = theirs.side.ready["per_turn"] / ours.side.ready["per_turn"]
    print(f"  {most:.2f} times fewer {ours.side.ready['unit']}, {ratio[0]:.2f} times as fast")
    return tuple(value / most for value in ratio)


def above_floor(sides, judged):
    good = True
    for one in sides:
        if one.share() < FLOOR and judged:
            print(f"  {one.side.name}: {one.share():.2f} of {one.side.ready['of']}, "
                  f"below {FLOOR}  FAIL")
            good = False
    return good


def judge(row, sides, judged):
    ours, theirs = sides[:2]
    for one in sides:
        describe(one)
    if row.measure == "memory":
        value = theirs.peak / ours.peak
        return against_bar(row, value, value, value, judged)
    added = filling(row, ours)
    ratio = paired.ratio([s + added for s in ours.seconds], theirs.seconds)
    if row.of_bound:
        ratio = of_bound(ratio, ours, theirs)
    good = against_bar(row, *ratio, judged)
    for other in sides[2:]:
        value, low, high = paired.ratio(other.seconds, theirs.seconds)
        print(f"  with the teacher online: {value:.3f} [{low:.3f}, {high:.3f}]")
    if not row.pytorch:
        good = above_floor([ours, theirs], judged) and good
    return good


def judge_trained(K, answer, judged):
    """What the K largest logits lose of a trained teacher."""
    cosine, red = answer["cosine"], not answer["cosine"] >= LEAST_COSINE
    word = "not judged" if not judged else "FAIL" if red else "PASS"
    print(f"  of a trained teacher: K {K} of {answer['V']}, missing mass {answer['missing']:.4f}, "
          f"KL {answer['bound']:.4f} of {answer['exact']:.4f}; to the exact KD gradient "
          f"cosine {cosine:.4f} (row by row at the logits {answer['cosine_of_rows']:.4f})  "
          f"at least {LEAST_COSINE}  {word}", flush=True)
    return not (red and judged)
