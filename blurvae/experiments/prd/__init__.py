"""Experiments of chapter 5 of Sajjadi's thesis, on precision and recall: no generative model is trained for them."""
