"""What `Masking` hides, written a second time: prints the strings that tests/it/masking.rs pins.

    python3 radio-tokenize/tests/golden/masking.py
"""

M = 2**64 - 1


def split_mix(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & M
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
        yield z ^ (z >> 31)


def hidden(count, fraction, length, seed, epoch, target):
    state = next(split_mix(seed)) ^ epoch
    numbers = split_mix(next(split_mix(state)) ^ (target & M))
    below = lambda n: next(numbers) * n >> 64
    hide = int(fraction * count + 0.5)
    runs = -(-hide // length)
    lengths = [length] * runs
    short = below(runs)
    lengths[short] -= runs * length - hide
    visible, text = count - hide, ""
    while lengths:
        if below(visible + len(lengths)) >= len(lengths):
            visible, text = visible - 1, text + "."
        else:
            text += "#" * lengths.pop(0)
    return text + "." * visible


if __name__ == "__main__":
    for length, epoch in [(1, 0), (1, 1), (5, 0)]:
        print(hidden(24, 0.5, length, 1, epoch, 39_627_000_000))
