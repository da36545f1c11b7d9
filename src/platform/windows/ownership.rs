//! Who may write a file besides its owner. (Not there yet.)
