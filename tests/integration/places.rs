//! Where a command runs: directories that are shared or not, removed or renamed ones, links; compiler caches on either side.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Pod, Run, lacks_programs};

#[test]
fn a_directory_that_is_not_shared_says_how_to_share_it() {
    let pod = Pod::new("pwd");
    let _server = pod.server();
    let outcome = pod.stub("pwd").current_dir(pod.path("bin")).run();
    outcome.fails(
        125,
        "pwd",
        &["/bin is outside of baseDirectory ", "; share it, or choose a baseDirectory further up"],
    );
}

fn with_the_root_for_a_base_every_directory_is_the_one_of_its_name(transport: Transport) {
    let pod = transport
        .custom_pod(|pod| format!("baseDirectory = /\nconnectTimeoutMs = 20000\n{}\npwd\n", pod.section("=PATH=")));
    let _server = pod.server();
    for place in [pod.path("bin"), "/".into(), "/tmp".into(), "/usr/bin".into()] {
        let real = fs::canonicalize(&place).expect("a directory");
        assert_eq!(pod.stub("pwd").current_dir(&place).run().succeeds(), format!("{}\n", real.display()));
    }
}

by_each_transport!(with_the_root_for_a_base_every_directory_is_the_one_of_its_name);

fn a_removed_directory_is_told_and_a_renamed_one_found(transport: Transport) {
    let pod = transport.pod("pwd\nls");
    let _server = pod.server();
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$1\"";
    let run = |script: &str| pod.shell(script).arg("sh").arg(pod.stub_path("pwd")).run();
    run(script).fails(125, "pwd", &["working directory: No such file or directory; was it removed?"]);
    let renamed = run("mkdir before && cd before && mv ../before ../after && exec \"$1\"");
    assert_eq!(renamed.succeeds(), format!("{}\n", pod.work().join("after").display()));
}

by_each_transport!(a_removed_directory_is_told_and_a_renamed_one_found);

fn a_link_in_the_path_is_kept_where_pwd_is_listed(transport: Transport) {
    let pod = transport.pod("plain sh -c 'pwd -L; pwd -P'\nlisted ?PWD= sh -c 'pwd -L; pwd -P'");
    let _server = pod.server();
    fs::create_dir(pod.work().join("real")).expect("a directory");
    symlink("real", pod.work().join("link")).expect("a link");
    let [real, link] = ["real", "link"].map(|name| pod.work().join(name).display().to_string());
    let run = |name: &str, pwd: &str| {
        pod.stub_path(name);
        pod.stub(name).current_dir(&link).env("PWD", pwd).run().succeeds()
    };
    assert_eq!(run("plain", &link), format!("{real}\n{real}\n"));
    assert_eq!(run("listed", &link), format!("{link}\n{real}\n"));
    // One that leads elsewhere is nothing to a shell.
    assert_eq!(run("listed", "/tmp"), format!("{real}\n{real}\n"));
}

by_each_transport!(a_link_in_the_path_is_kept_where_pwd_is_listed);

#[test]
fn paths_of_the_server_are_mapped_by_the_compilers_own_option() {
    if lacks_programs(&["gcc", "strings"]) {
        return;
    }
    let pod = Pod::new("gcc");
    let _server = pod.server();
    fs::write(pod.work().join("x.c"), "const char *file(void) { return __FILE__; }\n").expect("a source");
    let work = pod.work().display().to_string();
    let compile = |option: &str| {
        let source = pod.work().join("x.c");
        let mut gcc = pod.stub("gcc");
        gcc.args(["-g", "-c", "-o", "x.o"]).arg(option).arg(source);
        assert_eq!(gcc.run().succeeds(), "");
        pod.command("strings").arg("x.o").run().succeeds()
    };
    assert!(compile("-g").contains(&work));
    let mapped = compile(&format!("-ffile-prefix-map={work}=/here"));
    assert!(mapped.contains("/here/x.c"), "{mapped}");
}

/// The hits that ccache has counted.
fn hits(text: &str) -> u32 {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|count| count.trim().parse::<u32>().ok()).unwrap_or(0)
    };
    number("direct_cache_hit") + number("preprocessed_cache_hit")
}

fn a_compiler_cache_in_front_and_behind_finds_what_it_had(transport: Transport) {
    if lacks_programs(&["gcc", "ccache"]) {
        return;
    }
    let pod = transport.custom_pod(|pod| {
        let (section, cache) = (pod.section("=PATH= =HOME="), pod.path("behind").display().to_string());
        format!(
            "baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\ngcc\n\
             cached =CCACHE_DIR={cache} ccache gcc\nstatistics =CCACHE_DIR={cache} ccache --print-stats\n"
        )
    });
    let _server = pod.server();
    fs::write(pod.work().join("x.c"), "int main(void) { return 0; }\n").expect("a source");
    let words = ["-c", "-o", "x.o", "x.c"];
    let front = |words: &[&str]| {
        let mut ccache = pod.command("ccache");
        ccache.args(words).env("CCACHE_DIR", pod.path("front")).env("CCACHE_COMPILERCHECK", "%compiler% --version");
        ccache.run()
    };
    let gcc = pod.stub_path("gcc").display().to_string();
    let objects: Vec<_> = (0..2)
        .flat_map(|_| {
            assert_eq!(front(&[&[gcc.as_str()][..], &words].concat()).succeeds(), "");
            let one = fs::read(pod.work().join("x.o")).expect("an object");
            fs::remove_file(pod.work().join("x.o")).expect("an object");
            assert_eq!(pod.stub("cached").args(words).run().succeeds(), "");
            [one, fs::read(pod.work().join("x.o")).expect("an object")]
        })
        .collect();
    assert!(objects.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(hits(&front(&["--print-stats"]).out()), 1);
    assert_eq!(hits(&pod.stub("statistics").run().out()), 1);
}

by_each_transport!(a_compiler_cache_in_front_and_behind_finds_what_it_had);
