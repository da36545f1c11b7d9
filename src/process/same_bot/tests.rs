use super::*;

fn it(token: Option<&str>, args: &str, cwd: &str) -> InstanceTraits {
    InstanceTraits {
        file: Some("/srv/bot/main.py".into()),
        token: token.map(str::to_owned),
        in_file: None,
        args: words(args),
        cwd: Some(cwd.into()),
    }
}

/// One that shows no token, and whose `.env` file has this one.
fn reading(token: &str, args: &str, cwd: &str) -> InstanceTraits {
    InstanceTraits { in_file: Some(token.to_owned()), ..it(None, args, cwd) }
}

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}

fn anything() -> WantedBot {
    WantedBot::default()
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
fn configured_arguments_exclude_others_and_match_as_a_beginning() {
    let wanted = |args: &str| WantedBot { args: Some(Args::beginning(words(args))), ..anything() };
    let found = [it(None, "runserver", "/srv"), it(None, "runbot", "/srv"), it(None, "runbot -v", "/srv")];
    assert_eq!(sort(&found, &wanted("runbot")), [Verdict::Other, BOT, BOT]);
    // The longest of several that match.
    let longer = WantedBot { longer: vec![Args::beginning(words("runbot -v"))], ..wanted("runbot") };
    assert_eq!(sort(&found, &longer), [Verdict::Other, BOT, Verdict::Other]);
}

#[test]
fn the_arguments_of_a_command_make_others_doubtful() {
    let wanted = WantedBot { args: Some(Args::exactly(words("runbot"))), ..anything() };
    let found = [it(None, "runbot -v", "/srv"), it(None, "runbot", "/srv")];
    assert_eq!(sort(&found, &wanted), [Verdict::Probable(Doubt::OtherArguments), BOT]);
}

#[test]
fn a_folder_that_was_asked_for_makes_others_probable() {
    let wanted = WantedBot { cwd: Some("/srv".into()), ..anything() };
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
    let wanted = WantedBot { token: Some("t".into()), ..anything() };
    let found = [it(Some("t"), "", "/srv"), it(Some("u"), "", "/srv"), it(None, "", "/srv"), it(None, "x", "/srv")];
    let (unseen, other) = (Verdict::Probable(Doubt::TokenUnseen), Verdict::Probable(Doubt::OtherArguments));
    // One that shows none was started as both of them were.
    assert_eq!(sort(&found, &wanted), [BOT, Verdict::Other, unseen, other]);
    assert_eq!(sort(&found[1..], &wanted), [Verdict::Other, unseen, other]);
    assert_eq!(sort(&[found[0].clone(), found[2].clone()], &wanted), [BOT, BOT]);
    // Nothing said about the token: they are two bots.
    assert_eq!(sort(&found, &anything()), [BOT, Verdict::Bot(1), unseen, other]);
}

#[test]
fn the_token_in_its_file_makes_it_another_bot_or_the_same_one_whatever_the_folder() {
    let wanted = WantedBot { token: Some("t".into()), cwd: Some("/srv".into()), ..anything() };
    assert_eq!(sort(&[reading("t", "", "/"), reading("u", "", "/srv")], &wanted), [BOT, Verdict::Other]);
    assert_eq!(sort(&[it(Some("t"), "", "/srv"), reading("t", "", "/")], &wanted), [BOT, BOT]);
    assert_eq!(sort(&[reading("t", "", "/a"), reading("u", "", "/b")], &anything()), [BOT, Verdict::Bot(1)]);
    // A program that lies beside the same file and does something else.
    let other = Verdict::Probable(Doubt::OtherArguments);
    assert_eq!(sort(&[it(Some("t"), "runbot", "/srv"), reading("t", "runserver", "/srv")], &wanted), [BOT, other]);
    let server = [reading("t", "runserver", "/srv"), reading("t", "runbot", "/srv"), reading("t", "runbot", "/")];
    assert_eq!(sort(&server, &anything()), [other, BOT, BOT]);
    let command = WantedBot { args: Some(Args::exactly(words("runserver"))), ..wanted };
    assert_eq!(sort(&server, &command), [BOT, other, other]);
}

#[test]
fn the_same_arguments_and_no_token_are_doubtful_in_another_folder() {
    let wanted = WantedBot {
        token: Some("t".into()),
        args: Some(Args::exactly(vec![])),
        cwd: Some("/srv".into()),
        ..anything()
    };
    let elsewhere = Verdict::Probable(Doubt::OtherFolder);
    assert_eq!(sort(&[it(None, "", "/")], &wanted), [elsewhere]);
    assert_eq!(sort(&[it(None, "", "/")], &WantedBot { args: None, ..wanted }), [elsewhere]);
}

#[test]
fn a_bare_name_may_mean_several_bots() {
    let wanted = WantedBot { open: true, ..anything() };
    let elsewhere = InstanceTraits { file: Some("/opt/main.py".into()), ..it(None, "", "/opt") };
    let found = [it(None, "", "/srv"), elsewhere, it(None, "", "/srv"), it(None, "x", "/srv")];
    assert_eq!(sort(&found, &wanted), [BOT, Verdict::Bot(1), BOT, Verdict::Probable(Doubt::OtherArguments)]);
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(sort(&[], &anything()), [BOT; 0]);
}
