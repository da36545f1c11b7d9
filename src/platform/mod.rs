//! What is Linux's, behind one facade.
