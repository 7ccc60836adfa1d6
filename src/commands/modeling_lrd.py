# SPDX-License-Identifier: MIT
"""A GPT-2 of Hugging Face whose matrices are products of two factors, as `lrd export --as hf` writes it.

    AutoModelForCausalLM.from_pretrained(DIRECTORY, trust_remote_code=True)

A linear is y = (x Bᵀ) Aᵀ + b with A: m × r and B: r × n; the token embedding, and the head that is tied
to it or its own, is E = Ce De with Ce: V × re and De: re × C.
"""
import torch
from torch import nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel


class LrdGpt2Config(GPT2Config):
    model_type = "lrd_gpt2"


class FactoredLinear(nn.Module):
    def __init__(self, m, n, r):
        super().__init__()
        self.A = nn.Parameter(torch.empty(m, r))
        self.B = nn.Parameter(torch.empty(r, n))
        self.bias = nn.Parameter(torch.empty(m))

    def forward(self, x):
        return F.linear(F.linear(x, self.B), self.A, self.bias)


class FactoredTable(nn.Module):
    def __init__(self, v, c, re):
        super().__init__()
        self.Ce = nn.Parameter(torch.empty(v, re))
        self.De = nn.Parameter(torch.empty(re, c))

    @property
    def weight(self):  # for its dtype and device
        return self.Ce

    def forward(self, ids):
        return F.embedding(ids, self.Ce) @ self.De


class FactoredHead(FactoredTable):
    def forward(self, x):
        return F.linear(F.linear(x, self.De), self.Ce)


class TiedHead(nn.Module):
    """The head of a table that it does not own: no parameters, so nothing is saved twice."""

    def __init__(self, table):
        super().__init__()
        self.table = [table]

    def forward(self, x):
        return F.linear(F.linear(x, self.table[0].De), self.table[0].Ce)


LINEARS = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]


class LrdGpt2LMHeadModel(GPT2LMHeadModel):
    config_class = LrdGpt2Config

    def __init__(self, config):
        super().__init__(config)
        forms = config.lrd
        c, f, v, re = config.n_embd, forms["ffn"], config.vocab_size, forms["embedding_rank"]
        shapes = [(3 * c, c), (c, c), (f, c), (c, f)]  # m × n in the order of LINEARS
        for layer, block in enumerate(self.transformer.h):
            for i, (name, (m, n)) in enumerate(zip(LINEARS, shapes)):
                at = len(LINEARS) * layer + i
                if forms["forms"][at] == "factored":
                    part, linear = name.split(".")
                    setattr(getattr(block, part), linear, FactoredLinear(m, n, forms["ranks"][at]))
        if re > 0:
            self.transformer.wte = FactoredTable(v, c, re)
            tied = config.tie_word_embeddings
            self.lm_head = TiedHead(self.transformer.wte) if tied else FactoredHead(v, c, re)
            # Nothing is left to tie: the first name is that of transformers 4, the second of 5.
            self._tied_weights_keys = None
            self.all_tied_weights_keys = {}

    def tie_weights(self, *args, **kwargs):
        if isinstance(self.transformer.wte, nn.Embedding):
            return super().tie_weights(*args, **kwargs)
