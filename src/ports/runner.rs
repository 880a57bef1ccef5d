//! The tasks of a host's software: they run on the host, and are gone when it goes down.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};

use super::panic::{Panic, guard};

/// Where the software of a host puts its tasks.
pub type Tasks = mpsc::UnboundedSender<LocalBoxFuture<'static, ()>>;

/// Runs the tasks of a host's software, as long as the host is up.
pub struct Runner {
    tasks: mpsc::UnboundedReceiver<LocalBoxFuture<'static, ()>>,
    on_panic: Option<Rc<dyn Fn(Panic)>>,
}

impl Runner {
    /// A runner of the tasks that are sent to it. A panic in one of them is the run's.
    pub fn channel() -> (Tasks, Self) {
        let (sender, tasks) = mpsc::unbounded_channel();
        (sender, Self { tasks, on_panic: None })
    }

    /// The same, but a panic in a task is told, and the task never ends.
    pub fn on_panic(self, tell: impl Fn(Panic) + 'static) -> Self {
        Self { on_panic: Some(Rc::new(tell)), ..self }
    }

    /// Runs the tasks; never ends by itself.
    pub async fn run(mut self) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                task = self.tasks.recv() => match task {
                    Some(task) => {
                        match self.on_panic.clone() {
                            Some(tell) => running.spawn_local(guard(task, move |panic| tell(panic))),
                            None => running.spawn_local(task),
                        };
                    }
                    None => return,
                },
                Some(ended) = running.join_next() => propagate(ended),
            }
        }
    }
}

/// A panic that comes this far is none of the software's that says what becomes of its own.
fn propagate(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
