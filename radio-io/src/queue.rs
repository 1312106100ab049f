//! What lies between the thread that reads and whoever consumes: events in order, and places for so many batches.
//!
//! A batch takes a place before its memory is taken, and gives it back when the consumer takes the batch. So memory is bounded by
//! the places, however slow the consumer is, and a consumer may keep its batches as long as it likes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::reader::SkippedTile;
use crate::{Error, SpectrumBatch};

/// What the reading thread has to say.
#[derive(Debug)]
pub(crate) enum Event {
    /// A batch, and its number in the pass.
    Batch(u64, SpectrumBatch),
    Skipped(SkippedTile),
    Failed(Error),
    End,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    /// Batches that are being filled, or wait.
    batches: usize,
    waker: Option<Waker>,
    /// One of the two ends is gone.
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The end of the thread that reads.
pub(crate) struct Sender(Arc<Queue>);

/// The end of the consumer.
#[derive(Debug)]
pub(crate) struct Receiver(Arc<Queue>);

/// The consumer is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone;

pub(crate) fn queue() -> (Sender, Receiver) {
    let queue = Arc::new(Queue::default());
    (Sender(queue.clone()), Receiver(queue))
}

impl Sender {
    /// Waits until there are places for so many more batches, `most` in all, and takes them.
    pub(crate) fn reserve(&self, batches: usize, most: usize) -> Result<(), Gone> {
        let mut state = self.0.lock();
        while !state.is_closed && state.batches > 0 && state.batches + batches > most {
            state = self.0.wait(state);
        }
        state.batches += batches;
        if state.is_closed { Err(Gone) } else { Ok(()) }
    }

    /// Gives back the place of a batch that is not sent.
    pub(crate) fn release(&self) {
        self.0.lock().batches -= 1;
    }

    pub(crate) fn send(&self, event: Event) -> Result<(), Gone> {
        let mut state = self.0.lock();
        if state.is_closed {
            return Err(Gone);
        }
        state.events.push_back(event);
        let waker = state.waker.take();
        drop(state);
        self.0.changed.notify_all();
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Receiver {
    /// Waits for the next event; `None` where the other end is gone without having said why.
    pub(crate) fn receive(&self) -> Option<Event> {
        let mut state = self.0.lock();
        while state.events.is_empty() && !state.is_closed {
            state = self.0.wait(state);
        }
        self.take(state)
    }

    /// The same for a task, which is woken when there is something new.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Option<Event>> {
        let mut state = self.0.lock();
        if state.events.is_empty() && !state.is_closed {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.take(state))
    }

    fn take(&self, mut state: MutexGuard<'_, State>) -> Option<Event> {
        let event = state.events.pop_front()?;
        if let Event::Batch(_, batch) = &event
            && !batch.is_empty()
        {
            state.batches -= 1;
            drop(state);
            self.0.changed.notify_all();
        }
        Some(event)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.close();
    }
}
