//! Reports of bugs. color-eyre is set up only when there is one to report.

use std::panic::PanicHookInfo;

use color_eyre::config::HookBuilder;

use super::stream;

/// Lets a panic be shown by color-eyre, which is set up only then.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let (panics, _) = hooks().into_hooks();
        stream::to_stderr(&format!("{}\n", panics.panic_report(info)));
    }));
}

/// The report of an error that nobody expected.
pub fn bug_report(message: &str) -> String {
    // Only the first call can install the hook, and one report is all there is.
    let _ = hooks().install();
    format!("{:?}", color_eyre::eyre::eyre!("{message}"))
}

fn hooks() -> HookBuilder {
    HookBuilder::new().display_env_section(false).panic_section("this is a bug in solobot: please report it")
}
