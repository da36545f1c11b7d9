//! The places to look for a bot's token.

use std::path::Path;

use super::context::Context;
use super::overrides::Overrides;
use super::paths::{absolute, without_dots};
use super::provenance::SetBy;
use super::schema::TokenTable;
use super::trust::{Access, Refusal, open_found};
use crate::base::env;
use crate::telegram::sources::{TokenSource, TokenSources};

/// The places that flags name, and the flag to blame; `None` without such a flag. `configured` is the variable's name
/// in the bot's entry, which holds in `--env-file` too.
pub(super) fn of_flags(
    flags: &Overrides,
    configured: Option<&str>,
    context: &Context,
) -> Option<(TokenSources, SetBy)> {
    let path = |path: &Path| without_dots(&context.cwd.join(path));
    let names = names(flags.token_env.as_deref().or(configured));
    let file = flags.token_file.as_deref().map(|file| (TokenSource::File(path(file)), "--token-file"));
    let variable = flags.token_env.clone().map(|name| (TokenSource::Variable(name), "--token-env"));
    let env_file =
        flags.env_file.as_deref().map(|file| (TokenSource::EnvFile { path: path(file), names }, "--env-file"));
    let (sources, flags): (Vec<_>, Vec<_>) = [file, variable, env_file].into_iter().flatten().unzip();
    let origin = SetBy::Flag(flags.first()?);
    Some((TokenSources::new(sources, true, context.vars.clone()), origin))
}

/// The places of an entry's `token` table: the environment, the file, the `.env` file.
pub(super) fn of_table(table: &TokenTable, dir: &Path, context: &Context) -> TokenSources {
    let path = |text: &String| absolute(text, dir, context.home.as_deref());
    let variable = table.env.clone().map(TokenSource::Variable);
    let file = table.file.as_ref().map(|file| TokenSource::File(path(file)));
    let env_file = table
        .env_file
        .as_ref()
        .map(|file| TokenSource::EnvFile { path: path(file), names: names(table.env.as_deref()) });
    TokenSources::new([variable, file, env_file].into_iter().flatten().collect(), false, context.vars.clone())
}

/// The places that need no word: the usual variables, then `.env` in the bot's folder if it may be trusted.
pub(super) fn usual(dir: &Path, context: &Context) -> TokenSources {
    let mut sources: Vec<TokenSource> =
        env::TOKENS.iter().map(|name| TokenSource::Variable((*name).to_owned())).collect();
    sources.extend(found_env_file(dir, context));
    TokenSources::new(sources, false, context.vars.clone())
}

/// `.env` in a folder, if it exists. If it cannot be opened it is named too: reading it will say why.
fn found_env_file(dir: &Path, context: &Context) -> Option<TokenSource> {
    let path = without_dots(&dir.join(".env"));
    match open_found(&path, context.caller) {
        Ok(None | Some((_, Access::Foreign))) => None,
        Ok(Some(_)) | Err(Refusal::Io(_)) => Some(TokenSource::EnvFile { path, names: names(None) }),
        Err(Refusal::NotAFile(_)) => {
            let reason = format!("{} is not a regular file", crate::base::error::quoted(&path));
            Some(TokenSource::Untrusted { reason, remedy: "name another file: --env-file FILE".into() })
        }
        Err(Refusal::Distrust { reason, chmod }) => {
            let remedy = chmod.map_or_else(
                || format!("if you trust it: --env-file {}", path.display()),
                |chmod| format!("to fix it: {chmod}"),
            );
            Some(TokenSource::Untrusted { reason, remedy })
        }
    }
}

fn names(only: Option<&str>) -> Vec<String> {
    match only {
        Some(name) => vec![name.to_owned()],
        None => env::TOKENS.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Expected;
    use crate::base::exit::Exit;
    use crate::cli::Selection;
    use crate::settings::Bot;
    use crate::settings::testing::{Place, chmod, token};

    fn bot(place: &Place, flags: &Selection) -> Bot {
        place.load().unwrap().select_one(flags, None).unwrap()
    }

    fn shown(place: &Place, flags: &Selection) -> Vec<String> {
        bot(place, flags).token.sources().iter().map(ToString::to_string).collect()
    }

    fn flags(file: Option<&str>, env: Option<&str>, env_file: Option<&str>) -> Selection {
        Selection {
            token_file: file.map(Into::into),
            token_env: env.map(Into::into),
            env_file: env_file.map(Into::into),
            ..Selection::default()
        }
    }

    #[test]
    fn flags_then_the_table_then_the_usual_places() {
        let place = Place::with_file(
            "[bots.main]\nscript = \"m.py\"\ntoken = { env_file = \"~/e\", env = \"T\", file = \"t\" }\n",
        );
        let (home, app) = (place.path("e"), place.path("app"));
        let (home, app) = (home.display(), app.display());
        let table = ["variable `T`".to_owned(), format!("file `{app}/t`"), format!("`T` in `{home}`")];
        assert_eq!(shown(&place, &Selection::default()), table);
        let all = [format!("file `{app}/f`"), "variable `V`".to_owned(), format!("`V` in `{app}/e`")];
        assert_eq!(shown(&place, &flags(Some("f"), Some("V"), Some("e"))), all);
        assert_eq!(shown(&place, &flags(None, None, Some("e"))), [format!("`T` in `{app}/e`")]);

        let place = Place::with_file("[bots.main]\nscript = \"m.py\"\n");
        place.write("app/.env", "");
        let app = place.path("app");
        let usual = [
            "variable `TELEGRAM_BOT_TOKEN`".to_owned(),
            "variable `BOT_TOKEN`".to_owned(),
            "variable `TELEGRAM_TOKEN`".to_owned(),
            format!("`TELEGRAM_BOT_TOKEN` or `BOT_TOKEN` or `TELEGRAM_TOKEN` in `{}/.env`", app.display()),
        ];
        assert_eq!(shown(&place, &Selection::default()), usual);
        let bot = bot(&place, &flags(None, Some("V"), None));
        assert_eq!(bot.provenance.of("token"), &SetBy::Flag("--token-env"));
    }

    #[test]
    fn env_is_believed_as_solobot_toml_is() {
        let place = Place::with_file("[bots.main]\nscript = \"m.py\"\n");
        let path = place.write("app/.env", &format!("BOT_TOKEN={}\n", token()));
        let none = Selection::default();
        assert_eq!(bot(&place, &none).token.require().unwrap().token.bot_id(), "123456");
        chmod(&path, 0o646);
        let bot = bot(&place, &none);
        let error = bot.token.resolve().unwrap_err();
        assert_eq!(error.exit(), Exit::Config);
        assert_eq!(error.hints(), [format!("to fix it: chmod o-w {}", path.display())]);
        let named = flags(None, None, Some(".env"));
        assert!(place.load().unwrap().select_one(&named, None).unwrap().token.require().is_ok());
    }
}
