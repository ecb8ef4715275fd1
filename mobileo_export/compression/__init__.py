"""How weights are stored in fewer bytes than they are computed with."""
