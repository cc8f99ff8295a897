//! The double itself: faults, races, sizes.
