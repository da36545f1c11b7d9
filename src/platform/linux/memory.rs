//! Memory that a start is about to touch, asked for at once.
//!
//! Every page that is touched for the first time is a fault of its own. Between start and lock there are some thirty of
//! stack and heap, and they take longer than what is done with them. Not promised: anything. Before Linux 5.14 the kernel
//! knows no such request, and pages come one by one as ever.

use std::ffi::c_void;
use std::hint::black_box;
use std::ptr::{from_ref, without_provenance_mut};

use nix::libc;

/// What a start takes of the stack, in bytes.
const STACK: usize = 40 * 1024;
/// The same of the heap.
const HEAP: usize = 72 * 1024;

/// Asks for it: to be called first of all.
pub fn populate() {
    let on_stack = 0_u8;
    ask(page_of(from_ref(&on_stack)).saturating_sub(STACK), STACK);
    let on_heap = black_box(Box::new(0_u8));
    ask(page_of(from_ref(&*on_heap)), HEAP);
}

fn page_of(place: *const u8) -> usize {
    place.addr() & !(rustix::param::page_size() - 1)
}

fn ask(start: usize, length: usize) {
    // SAFETY: it changes the content of no memory, and what is not ours is refused.
    unsafe { libc::madvise(without_provenance_mut::<c_void>(start), length, libc::MADV_POPULATE_WRITE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_stays_what_it_was() {
        let before: Vec<usize> = (0..HEAP).collect();
        populate();
        assert!(before.iter().copied().eq(0..HEAP));
    }
}
