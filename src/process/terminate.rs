//! stub
#![allow(missing_docs)]
use super::identity::Identity;
#[derive(Default)]
pub struct Options {
    pub grace: std::time::Duration,
}
pub struct R(Identity);
impl R {
    pub fn has_ended(&self) -> bool {
        !self.0.is_alive()
    }
    pub fn pid(&self) -> i32 {
        self.0.pid
    }
}
impl std::fmt::Display for R {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "?")
    }
}
pub fn stop(t: &[Identity], o: &Options) -> std::io::Result<Vec<R>> {
    let fds: Vec<_> = t.iter().filter_map(|&i| crate::platform::pidfd::Pidfd::open(i).ok().flatten()).collect();
    for f in &fds {
        let _ = f.send(15);
    }
    for f in &fds {
        if !f.has_ended(o.grace) {
            let _ = f.send(9);
            f.has_ended(o.grace);
        }
    }
    Ok(t.iter().map(|&i| R(i)).collect())
}
