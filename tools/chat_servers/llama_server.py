#!/usr/bin/env python3
"""Serves a vision-language model over HTTP by llama.cpp's server, as xllamacpp brings it, until it is killed.

    llama_server.py --model GGUF --mmproj GGUF --alias NAME --api-key KEY --port N --slots N --context N
"""

import argparse
import signal

import xllamacpp


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("model", "mmproj", "alias", "api-key"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("port", "slots", "context"):
        parser.add_argument(f"--{name}", required=True, type=int)
    arguments = parser.parse_args()
    settings = xllamacpp.CommonParams()
    settings.model.path = arguments.model
    settings.mmproj.path = arguments.mmproj
    settings.model_alias = {arguments.alias}
    settings.api_keys = [arguments.api_key]
    settings.hostnames = ["127.0.0.1"]
    settings.port = arguments.port
    settings.n_parallel = arguments.slots
    settings.n_ctx = arguments.slots * arguments.context
    # More threads than cores that are free would spin while they wait for each other.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
