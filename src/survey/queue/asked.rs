//! Asking Telegram for the length of a bot's queue, and keeping what was seen: one request, once, and none if the last look
//! is young enough. The only part of a survey that sends something, for a subcommand that is told to.

use super::QueueHistory;
use crate::journal::looks::{Here, Look, Looks, Moment};
use crate::telegram::api::{Client, WebhookInfo};
use crate::telegram::errors;

/// The looks at one bot's queue.
pub struct QueueLooks {
    looks: Looks,
}

impl QueueLooks {
    /// Those that are kept.
    pub fn of(client: &Client<'_>) -> Self {
        Self { looks: Looks::of(client.bot_id(), &client.server().to_string()) }
    }

    /// Why they are not kept, or do not count, for a warning: where that may matter, because updates wait.
    pub fn trouble(&self) -> Option<&str> {
        let is_waiting = self.looks.all().last().is_some_and(|look| look.pending > 0);
        self.looks.trouble.as_deref().filter(|_| is_waiting)
    }

    /// What is known now, together with what runs here; asks unless the last look is young, and may be used.
    ///
    /// # Errors
    /// Telegram's.
    pub fn look(
        &mut self,
        client: &Client<'_>,
        here: Here,
        is_fresh_needed: bool,
    ) -> Result<Option<QueueHistory>, errors::Error> {
        let Some(now) = Moment::now() else { return Ok(None) };
        if !is_fresh_needed && self.looks.recent(&now).is_some() {
            return Ok(Some(QueueHistory { looks: self.looks.all().to_vec(), now, here }));
        }
        let info = client.webhook(&mut |_, _| {})?.result;
        Ok(self.add(&info, here))
    }

    /// The same with an answer that has come already. `None` where there is no time to tell it by.
    pub fn add(&mut self, info: &WebhookInfo, here: Here) -> Option<QueueHistory> {
        let at = Moment::now()?;
        self.looks.add(Look {
            at: at.clone(),
            pending: info.pending_update_count,
            webhook: info.is_set(),
            allowed_updates: info.allowed_updates.clone(),
            last_error: info.last_error_date,
            here: here.clone(),
        });
        Some(QueueHistory { looks: self.looks.all().to_vec(), now: at, here })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_only_while_updates_wait() {
        let after = |counts: &[u64]| {
            let mut looks = Looks::default();
            looks.trouble = Some("cannot keep it".into());
            for &pending in counts {
                let at = Moment::now().unwrap();
                let (allowed_updates, last_error) = (None, None);
                looks.add(Look { at, pending, webhook: false, allowed_updates, last_error, here: Here::default() });
            }
            QueueLooks { looks }.trouble().map(str::to_owned)
        };
        assert_eq!(after(&[0, 2]).as_deref(), Some("cannot keep it"));
        assert_eq!(after(&[2, 0]), None);
        assert_eq!(after(&[]), None);
    }
}
