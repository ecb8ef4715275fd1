"""How the shipped miniature checkpoint is made: data, staged training, assembly.

``python -m miniature run --work FOLDER`` trains it from nothing and goes on where it was stopped.
The stages are the paper's (arXiv 2602.20161), at sizes that two CPU cores train in two hours:

====== ======================================== ==================================================
stage  learns                                   from
====== ======================================== ==================================================
vae    the autoencoder (0a)                     pictures
vlm    vision tower, projector, LLM (0b)        pictures with questions, captions, small talk
align  DiT and MCP (1)                          captions that say all that is drawn
tune   DiT and MCP (2)                          pairs above all, in prompts that say little; edits
joint  DiT, MCP, projector, LLM by LoRA (3)     prompt, image, question and answer together
====== ======================================== ==================================================

Ours and not the paper's: every size, learning rate, batch and number of steps; the data; dropping
a tenth of the conditions, so that guidance means something; times shifted as in sampling, and
cross-attention that begins sharper; embeddings that begin far apart; a moving average of the
weights that draw; edits from stage 2 on; labels for the cells of the vision tower's grid while it
is trained; and a vision tower that stage 3 leaves alone.
"""
