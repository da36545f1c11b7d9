use super::*;

fn it(token: Option<&str>, args: &str, cwd: &str) -> Traits {
    Traits {
        file: Some("/srv/bot/main.py".into()),
        token: token.map(str::to_owned),
        args: args.split_whitespace().map(OsString::from).collect(),
        cwd: Some(cwd.into()),
    }
}

fn anything() -> Wanted {
    Wanted::default()
}

const BOT: Verdict = Verdict::Bot(0);

#[test]
fn started_alike_without_a_visible_token_is_one_bot() {
    assert_eq!(sort(&[it(None, "", "/srv"), it(None, "", "/srv")], &anything()), [BOT, BOT]);
}

#[test]
fn other_arguments_or_another_folder_make_it_probable() {
    let found = [it(None, "runbot", "/srv"), it(None, "runserver", "/srv"), it(None, "runbot", "/tmp")];
    let verdicts = sort(&found, &anything());
    let probable = Verdict::Probable;
    assert_eq!(verdicts, [BOT, probable(Doubt::OtherArguments), probable(Doubt::OtherFolder)]);
}

#[test]
fn the_larger_group_stands_for_the_bot() {
    let found = [it(None, "b", "/srv"), it(None, "a", "/srv"), it(None, "a", "/srv")];
    assert_eq!(sort(&found, &anything()), [Verdict::Probable(Doubt::OtherArguments), BOT, BOT]);
}

#[test]
fn arguments_that_were_asked_for_exclude_others() {
    let wanted = Wanted { args: Some(vec!["runbot".into()]), ..anything() };
    let found = [it(None, "runserver", "/srv"), it(None, "runbot", "/srv")];
    assert_eq!(sort(&found, &wanted), [Verdict::Other, BOT]);
}

#[test]
fn a_folder_that_was_asked_for_makes_others_probable() {
    let wanted = Wanted { cwd: Some("/srv".into()), ..anything() };
    assert_eq!(sort(&[it(None, "", "/tmp")], &wanted), [Verdict::Probable(Doubt::OtherFolder)]);
    assert_eq!(sort(&[it(None, "", "/tmp"), it(None, "", "/srv")], &wanted)[1], BOT);
}

#[test]
fn the_token_decides_over_arguments_and_folder() {
    let found = [it(Some("t"), "a", "/srv"), it(Some("t"), "b", "/tmp")];
    assert_eq!(sort(&found, &anything()), [BOT, BOT]);
}

#[test]
fn another_token_is_another_bot() {
    let wanted = Wanted { token: Some("t".into()), ..anything() };
    let found = [it(Some("t"), "", "/srv"), it(Some("u"), "", "/srv"), it(None, "", "/srv"), it(None, "x", "/srv")];
    let unseen = Verdict::Probable(Doubt::TokenUnseen);
    assert_eq!(sort(&found, &wanted), [BOT, Verdict::Other, BOT, unseen]);
    // Nothing said about the token: they are two bots.
    assert_eq!(sort(&found, &anything()), [BOT, Verdict::Bot(1), unseen, unseen]);
}

#[test]
fn a_bare_name_may_mean_several_bots() {
    let wanted = Wanted { open: true, ..anything() };
    let elsewhere = Traits { file: Some("/opt/main.py".into()), ..it(None, "", "/opt") };
    let found = [it(None, "", "/srv"), elsewhere, it(None, "", "/srv"), it(None, "x", "/srv")];
    assert_eq!(sort(&found, &wanted), [BOT, Verdict::Bot(2), BOT, Verdict::Bot(1)]);
}

#[test]
fn nothing_is_nothing() {
    assert!(sort(&[], &anything()).is_empty());
}
