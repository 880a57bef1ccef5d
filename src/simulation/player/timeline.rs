//! What a step of the timeline sets in motion.

use super::Player;
use crate::{
    journal::What,
    scenario::{Action, Heal, HealAction, LieAction, ScriptAction},
    simulation::{SimulationError, schedule::Due},
};

impl Player<'_> {
    pub(super) fn perform(&mut self, due: Due) -> Result<(), SimulationError> {
        match due {
            Due::Play { step, time } => {
                let what = &self.scenario.timeline[step];
                self.recorder.record(
                    self.scenario.server_acting(&what.action),
                    What::Step { step, action: what.action.key().to_owned(), detail: what.clone().into() },
                );
                let played = self.act(step, time);
                self.recorder.step_is_over();
                played
            }
            Due::End { step } => {
                let action = &self.scenario.timeline[step].action;
                let key = action.key().to_owned();
                self.end_fault(step);
                self.recorder.record(None, What::StepEnds { step, action: key });
                Ok(())
            }
        }
    }

    fn act(&mut self, step: usize, time: u32) -> Result<(), SimulationError> {
        let scenario = self.scenario;
        match &scenario.timeline[step].action {
            Action::Fault(fault) => self.begin_fault(step, fault),
            Action::Heal(HealAction::Heal(Heal { between: None })) => self.heal_links(),
            Action::Heal(HealAction::Heal(Heal { between: Some([one, other]) })) => {
                self.heal(one, other);
                self.heal(other, one);
            }
            Action::Heal(HealAction::Restart(restart)) => self.restart(&restart.server)?,
            Action::Lie(LieAction::Lies(lies)) => self.scripts.liars.begin(step, lies, self.streams),
            Action::Lie(LieAction::Answer(answer)) => {
                self.play_script(step, |player| player.tell_answer(answer));
            }
            Action::Script(script) => self.play_script(step, |player| match script {
                ScriptAction::Craft(craft) => player.craft(step, craft),
                ScriptAction::Push(push) => player.push(step, push),
                ScriptAction::Ask(ask) => player.ask(step, ask),
            }),
            Action::Send(send) => self.play_user(step, |player| player.send(step, time, send)),
            Action::User(user) => self.play_user(step, |player| player.serve(step, user)),
        }
        Ok(())
    }
}
