#!/usr/bin/env python3
"""What Ray's actor pool does with units that do nothing: calls a second on this machine.

    python3 -m venv ray && ray/bin/pip install ray
    ray/bin/python tools/benchmarks/ray_actors.py [--actors 4] [--seconds 15]

It stands beside `bolster-benchmarks scale`, whose grants and commits are each on disk before they are
answered; nothing here is. A unit is one call with a small argument and a small result, as a grant and its
commit are together.
"""
import argparse
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--actors", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()

    import ray
    from ray.util import ActorPool

    ray.init(num_cpus=options.actors, include_dashboard=False, log_to_driver=False)

    @ray.remote
    class Worker:
        def unit(self, number: int) -> tuple[int, str]:
            return number, "captions.syn_text/00000000"

    pool = ActorPool([Worker.remote() for _ in range(options.actors)])
    for number in range(100):
        pool.submit(lambda actor, value: actor.unit.remote(value), number)
    while pool.has_next():
        pool.get_next_unordered()

    done = submitted = 0
    began = time.perf_counter()
    while time.perf_counter() - began < options.seconds:
        while submitted - done < 64:
            pool.submit(lambda actor, value: actor.unit.remote(value), submitted)
            submitted += 1
        pool.get_next_unordered()
        done += 1
    took = time.perf_counter() - began
    print(f"ray {ray.__version__}, {options.actors} actors: {done / took:.0f} units a second, not durable")
    ray.shutdown()


if __name__ == "__main__":
    main()
