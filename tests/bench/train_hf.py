# SPDX-License-Identifier: MIT
"""train_hf.py FILE V THREADS OUT_DIR: what train_speed.cpp does, by Hugging Face tokenizers."""
import json
import os
import sys
import time

text, size, threads, out = sys.argv[1:]
os.environ["RAYON_NUM_THREADS"] = threads
os.environ["TOKENIZERS_PARALLELISM"] = "true"

from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402 (reads the above)

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(vocab_size=int(size), special_tokens=["<|endoftext|>"],
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                              show_progress=False)
wall, cpu = time.perf_counter(), time.process_time()
tokenizer.train([text], trainer)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
tokenizer.model.save(out)
print(json.dumps({"all": {"wall_s": wall, "cpu_s": cpu}}))
