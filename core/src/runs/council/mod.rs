//! A council: several models answer, judge each other's answers without knowing whose they are, and one sums up.
