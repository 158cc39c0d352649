"""prove: looks again. Did it work, what did it cost, and what is the evidence?"""
