//! Feeds a target of `solobot::fuzz` with what libFuzzer makes up; `fuzz/run.sh` builds and runs it. The variable
//! `SOLOBOT_FUZZ_TARGET` names the target.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libfuzzer_sys::fuzz_target;
use rustix::time::{ClockId, clock_gettime};
use solobot::fuzz::{TARGETS, Target};

/// More memory than this is a finding, in bytes.
const MOST_MEMORY: usize = 128 << 20;
/// More time of a processor for one input is a finding, in milliseconds. Not time of the clock, for other programs may run.
const MOST_TIME: i64 = 2000;

struct Bounded;

static USED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all of it is the system's own allocator, which is only refused more than a bound.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if USED.fetch_add(layout.size(), Relaxed) + layout.size() > MOST_MEMORY {
            // Whoever asked says so and aborts, which is the finding.
            USED.fetch_sub(layout.size(), Relaxed);
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the promises that `System` asks for, which are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static MEMORY: Bounded = Bounded;

fn target() -> &'static Target {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("SOLOBOT_FUZZ_TARGET").expect("SOLOBOT_FUZZ_TARGET names a target");
        TARGETS.iter().find(|target| target.name == name).expect("a target of that name")
    })
}

fn processor_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

fuzz_target!(|bytes: &[u8]| {
    let before = processor_time();
    (target().feed)(bytes);
    let took = processor_time() - before;
    assert!(took <= MOST_TIME, "{} bytes took {took} ms", bytes.len());
});
