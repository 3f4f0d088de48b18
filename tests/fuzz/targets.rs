//! What dhow reads from outside or from its own disk, as functions of bytes. None may panic, whatever the bytes; where a
//! thing that was accepted must hold more, that is asserted too.
//!
//! `fuzz/` includes this file for coverage-guided runs, so it uses nothing of the test program.

use std::cell::OnceCell;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow::build::args::{Globals, Platform};
use dhow::build::copy::mode::Chmod;
use dhow::build::expand::{self, Scope};
use dhow::build::glob::Glob;
use dhow::build::ignore::Ignore;
use dhow::build::index::ContextIndex;
use dhow::build::instruction::mount::Mount;
use dhow::build::remote::git_ref::{self, GitRef};
use dhow::build::state::StageState;
use dhow::build::{change, heredoc, instruction, parse, stage, words};
use dhow::image::config::ImageConfig;
use dhow::image::digest::Digest;
use dhow::image::manifest::{self, Document};
use dhow::image::passwd;
use dhow::image::reference::Reference;
use dhow::layer::extract::{self, Options};
use dhow::layer::reader::TarReader;
use dhow::layer::{compress, diff, plain, recipe};
use dhow::store::Store;
use dhow::store::cache::StepRecord;
use dhow::store::container::{ContainerRecord, StateRecord};
use dhow::store::exit::ExitRecord;
use dhow::store::image::{ImageRecord, NameRecord};
use dhow::store::layer::{LayerRecord, LayerRef};
use dhow::store::log::LogReader;
use dhow::sys::path::{Root, remove_tree};

use super::seeds;

/// One thing to fuzz.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Valid inputs; never none.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Texts that mean something to it.
    pub words: &'static [&'static [u8]],
    /// How many changed inputs the suite tries: a second or so.
    pub runs: u64,
}

const TAR_WORDS: &[&[u8]] = &[
    b"../",
    b"/",
    b".wh.",
    b".wh..wh..opq",
    b"ustar\0",
    b"path=",
    b"size=",
    b"linkpath=",
    b"mtime=",
    b"GNU.sparse.",
    b"SCHILY.xattr.user.overlay.opaque=",
    b"SCHILY.xattr.security.capability=",
    b"\x80\0\0\0",
    b"\xff\xff\xff\xff",
];
const JSON_WORDS: &[&[u8]] =
    &[b"null", b"{}", b"[]", b"\"\"", b"-1", b"1e999", b"[[[[[[", b"\\u0000", b"sha256:", b"schemaVersion", b"{\"a\":"];
const FILE_WORDS: &[&[u8]] = &[
    b"\nFROM ",
    b"\nRUN ",
    b"\nCOPY ",
    b"\nADD ",
    b"\nARG ",
    b"\nENV ",
    b"\nONBUILD ",
    b"<<EOF\n",
    b"\nEOF\n",
    b"\\\n",
    b"${",
    b"}",
    b"$",
    b":-",
    b"%%",
    b"##",
    b"//",
    b"\"",
    b"'",
    b"[",
    b"\",\"",
    b"--from=",
    b"--mount=",
    b"# escape=`\n",
    b"# check=",
    b" AS ",
    b"\r\n",
    b"\t",
];
const PATTERN_WORDS: &[&[u8]] = &[b"**", b"**/", b"*", b"?", b"[a-z]", b"[^", b"]", b"\\", b"!", b"/", b"..", b"\n"];

const VALUE_WORDS: &[&[u8]] = &[
    b"type=cache",
    b"type=secret",
    b",target=",
    b",source=",
    b",mode=",
    b",from=",
    b"git@",
    b"https://",
    b".git#",
    b"?tag=",
    b"&checksum=",
    b"u=rwX",
    b"go-w",
    b",",
    b"=",
    b"\"",
];

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "tar", run: tar, seeds: seeds::tars, words: TAR_WORDS, runs: 4000 },
    Target { name: "extract", run: extract, seeds: seeds::tars, words: TAR_WORDS, runs: 400 },
    Target { name: "recipe", run: replay, seeds: || vec![seeds::recipe()], words: &[b"R", b"F", b"E"], runs: 2000 },
    Target {
        name: "decoder",
        run: decoder,
        seeds: compressed,
        words: &[b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9"],
        runs: 2000,
    },
    Target { name: "manifest", run: manifest, seeds: seeds::manifests, words: JSON_WORDS, runs: 4000 },
    Target { name: "config", run: config, seeds: seeds::configs, words: JSON_WORDS, runs: 4000 },
    Target {
        name: "reference",
        run: reference,
        seeds: seeds::references,
        words: &[b"sha256:", b"@", b":", b"/"],
        runs: 8000,
    },
    Target { name: "passwd", run: passwd, seeds: users, words: &[b":", b"\n", b"4294967295"], runs: 4000 },
    Target { name: "dockerfile", run: dockerfile, seeds: seeds::dockerfiles, words: FILE_WORDS, runs: 3000 },
    Target { name: "values", run: values, seeds: flag_values, words: VALUE_WORDS, runs: 8000 },
    Target { name: "ignore", run: ignore, seeds: patterns, words: PATTERN_WORDS, runs: 3000 },
    Target { name: "expand", run: expand, seeds: expansions, words: FILE_WORDS, runs: 8000 },
    Target { name: "record", run: record, seeds: records, words: JSON_WORDS, runs: 4000 },
    Target { name: "store", run: store, seeds: store_files, words: JSON_WORDS, runs: 500 },
    Target { name: "log", run: log, seeds: logs, words: &[b" stdout F ", b" stderr P ", b"\n"], runs: 1000 },
];

/// A folder of this thread for what a target needs on disk.
fn scratch() -> PathBuf {
    thread_local!(static DIR: OnceCell<tempfile::TempDir> = const { OnceCell::new() });
    DIR.with(|dir| dir.get_or_init(|| tempfile::tempdir().expect("a temporary folder")).path().to_path_buf())
}

/// An empty folder; what the last input left in it is removed.
fn fresh(name: &str) -> PathBuf {
    let parent = scratch();
    let opened = Root::open(&parent).expect("the scratch folder");
    match remove_tree(opened.as_fd(), name.as_ref()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => panic!("what was unpacked cannot be removed: {e}"),
        _ => fs::create_dir(parent.join(name)).expect("a new folder"),
    }
    parent.join(name)
}

/// The reader alone, which is fast: raw bytes, and with right checksums.
fn tar(bytes: &[u8]) {
    for bytes in [bytes, &seeds::seal(bytes)] {
        let mut recorded = Vec::new();
        let mut reader =
            TarReader::new(bytes, 1 << 20, Some(recipe::Recorder::new(&mut recorded).expect("memory takes all")));
        let read = (|| -> dhow::error::Result<()> {
            while let Some(entry) = reader.next_entry()? {
                let mut size = 0;
                loop {
                    let chunk = reader.content()?;
                    if chunk.is_empty() {
                        break;
                    }
                    size += chunk.len() as u64;
                }
                assert_eq!(size, entry.size, "the content has the size that was told");
            }
            Ok(())
        })();
        if read.is_ok() {
            let (digest, size) = reader.finish().expect("an archive that was read to its end");
            assert_eq!((digest, size), (Digest::of(bytes), bytes.len() as u64));
        }
    }
}

/// Unpacking, both ways, and back: what was accepted comes back byte for byte, and nothing appears outside.
fn extract(bytes: &[u8]) {
    let bytes = seeds::seal(bytes);
    let place = fresh("extract");
    let make = |name: &str| -> Root {
        fs::create_dir(place.join(name)).expect("a new folder");
        Root::open(&place.join(name)).expect("a folder")
    };
    let (tree, aside, other) = (make("tree"), make("aside"), make("other"));
    fs::write(place.join("canary"), "untouched").expect("a new file");
    let mut recorded = Vec::new();
    let options = Options { recipe: Some(&mut recorded), aside: Some(&aside), max_tar: 1 << 20, ..Options::default() };
    if let Ok(done) = extract::extract(bytes.as_slice(), &tree, options) {
        assert_eq!(done.info.diff_id.0, Digest::of(&bytes));
        let mut back = Vec::new();
        recipe::replay(recorded.as_slice(), &tree, Some(&aside), &mut back).expect("the recipe of what was unpacked");
        assert!(back == bytes, "the recipe gives other bytes");
        if let Ok(info) = diff::digest(&tree, &[]) {
            let mut own = Vec::new();
            diff::write_tar(&tree, &[], &mut own).expect("the tree was written before");
            let again = extract::extract(own.as_slice(), &other, Options::default()).expect("our own tar is good");
            assert_eq!(again.info.diff_id, info.diff_id);
            assert_eq!(diff::digest(&other, &[]).expect("a tree of ours"), info, "our own form changes by a round");
        }
    }
    let _ = plain::unpack_into(bytes.as_slice(), &make("plain"), Path::new("sub/dir"), None);
    assert_eq!(fs::read(place.join("canary")).expect("the canary"), b"untouched");
    let mut names: Vec<_> = fs::read_dir(&place).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["aside", "canary", "other", "plain", "tree"], "something appeared outside");
}

fn replay(bytes: &[u8]) {
    let place = scratch().join("recipe");
    if !place.exists() {
        fs::create_dir(&place).unwrap();
        fs::write(place.join("f"), "content").unwrap();
    }
    let _ = recipe::replay(bytes, &Root::open(&place).unwrap(), None, &mut io::sink());
}

fn compressed() -> Vec<Vec<u8>> {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x4a\x06\0\xc2\x41\x24\x35\x03\0\0\0".to_vec();
    let zstd = zstd::encode_all(&[b'x'; 3000][..], 3).expect("zstd into memory");
    let bzip2 = b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x64\x8c\xbb\x73\x00\x00\x00\x01\x00\x38\x00\x20\
        \x00\x21\x98\x19\x84\x61\x77\x24\x53\x85\x09\x06\x48\xcb\xb7\x30"
        .to_vec();
    let xz = b"\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x0c\x00\x00\x00\x8f\x98\
        \x41\x9c\x01\x00\x02\x61\x62\x63\x00\x00\xc2\x41\x24\x35\x00\x01\x17\x03\x07\x60\x0c\xbc\
        \x90\x42\x99\x0d\x01\x00\x00\x00\x00\x01\x59\x5a"
        .to_vec();
    vec![gzip.clone(), [gzip.clone(), gzip].concat(), zstd, bzip2, xz, seeds::tars().remove(0)]
}

fn decoder(bytes: &[u8]) {
    let _ = compress::is_tar_archive(bytes);
    if let Ok(decoder) = compress::decoder(bytes) {
        let _ = io::copy(&mut decoder.take(4 << 20), &mut io::sink());
    }
}

fn manifest(bytes: &[u8]) {
    for expected in [None, Some(manifest::OCI_MANIFEST), Some(manifest::DOCKER_INDEX)] {
        match manifest::parse_document(bytes, expected) {
            Ok(Document::Index(index)) => drop(index.choose(&manifest::Platform::host())),
            Ok(Document::Image(image)) => {
                let built = manifest::build_manifest(&image.config, &image.layers, &image.annotations);
                assert!(manifest::parse_manifest(&built).is_ok(), "our own manifest is refused");
            }
            Err(_) => {}
        }
    }
    let _ = manifest::parse_manifest(bytes);
}

fn config(bytes: &[u8]) {
    if let Ok(config) = ImageConfig::parse(bytes) {
        let written = config.to_bytes();
        let again = ImageConfig::parse(&written).expect("our own configuration");
        assert_eq!(again, config);
        assert!(again.to_bytes() == written, "the same configuration has two forms");
        let globals = Globals::new(&Default::default(), &Platform::host(), "");
        let mut state = StageState::new(config, Arc::new(globals));
        for trigger in state.take_onbuild() {
            let _ = instruction::parse_trigger("image", &trigger);
        }
        let _ = (state.run_env(), state.shell(), state.workdir().len());
    }
}

fn reference(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(reference) = Reference::parse(&text) {
        let shown = reference.to_string();
        assert_eq!(Reference::parse(&shown).expect("a full name"), reference, "{shown:?}");
    }
    for reference in Reference::candidates(&text).into_iter().flatten() {
        assert_eq!(Reference::parse(&reference.to_string()).expect("a full name"), reference);
    }
    let _ = Reference::for_new(&text);
    if let Ok(digest) = Digest::parse(&text) {
        assert_eq!(digest.to_string(), text);
    }
    let _ = Platform::parse(&text);
}

fn users() -> Vec<Vec<u8>> {
    vec![b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:\n\nwheel:x:10:root,user\n".to_vec()]
}

fn passwd(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (users, groups) = (passwd::parse_users(&text), passwd::parse_groups(&text));
    let _ = (passwd::user_named(&users, "user"), passwd::user_with_id(&users, 0), passwd::groups_of(&groups, "user"));
    let _ = passwd::parse_id(&text);
}

fn dockerfile(bytes: &[u8]) {
    let _ = change::apply(&mut base_config(), &[String::from_utf8_lossy(bytes).into_owned()]);
    let _ = instruction::parse_trigger("image", &String::from_utf8_lossy(bytes));
    let Ok(plan) = parse::parse("Dockerfile", bytes).and_then(|file| stage::plan(&file, Default::default())) else {
        return;
    };
    let target = plan.target(None).expect("a plan has a stage");
    let _ = plan.undeclared(&[("x".to_string(), "y".to_string())].into());
    let Ok(globals) = plan.globals(target, &Default::default(), &Platform::host()) else { return };
    let _ = plan.needed(target, &globals);
    let globals = Arc::new(globals);
    for stage in &plan.stages {
        let _ = (plan.base_of(stage.index, &globals), plan.platform_of(stage.index, &globals));
        let mut state = StageState::new(base_config(), globals.clone());
        for step in &stage.steps {
            let mut step = step.clone();
            if step.expand(&state.scope()).is_ok() {
                let _ = step.apply(&mut state, None);
            }
        }
    }
}

fn flag_values() -> Vec<Vec<u8>> {
    let texts = [
        "type=cache,target=/x,id=$A,sharing=locked,mode=0755,uid=1,gid=2,from=base,source=/y",
        "type=bind,\"target=/a,b\",rw",
        "type=secret,id=a,env=B,required",
        "type=tmpfs,target=/t,size=10m",
        "u=rwX,g+w,o-rwx,a+t,u+s,g=u",
        "0755",
        "https://user@host.example/a/b.git?tag=v1&subdir=x&submodules=false#main:dir",
        "git@host.example:a/b.git#0123456789abcdef0123456789abcdef01234567",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Values of flags that have a language of their own: mounts, modes, and the places of repositories.
fn values(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let scope: Scope = [("A", "a,b=c"), ("B", "")].into_iter().collect();
    if let Ok(mut mount) = Mount::parse(&text) {
        let _ = mount.expand(&scope, '\\');
        let _ = (mount.from(), mount.what());
    }
    if let Ok(chmod) = Chmod::parse(&text) {
        for mode in [0, 0o644, 0o7777, 0o100755] {
            assert!([false, true].iter().all(|is_dir| chmod.apply(mode, *is_dir) <= 0o7777), "more than a mode has");
        }
        let _ = chmod.for_new_folder();
    }
    if let Ok(Some(mut git)) = GitRef::parse(&text) {
        let _ = git.set_checksum(&text);
        let _ = git.commit();
    }
    let _ = git_ref::is_scp_like(&text);
}

fn base_config() -> ImageConfig {
    ImageConfig { architecture: "amd64".into(), os: "linux".into(), ..ImageConfig::default() }
}

fn patterns() -> Vec<Vec<u8>> {
    vec![b"# comment\n*.o\n!keep.o\nsrc/**/target\n[a-c]?\\*\n/x/\n**\n!**/*.rs\n".to_vec()]
}

fn ignore(bytes: &[u8]) {
    const PATHS: [&str; 5] = ["a", "keep.o", "src/a/b/target", "src/main.rs", "x/y/z.rs"];
    if let Ok(ignore) = Ignore::parse(".dockerignore", bytes) {
        for path in PATHS {
            let _ = (ignore.excluded(Path::new(path)), ignore.may_reinclude_below(Path::new(path)));
        }
    }
    for deep in [false, true] {
        if let Ok(glob) = Glob::compile(bytes, deep) {
            let _ = PATHS.map(|path| (glob.matches(path.as_bytes()), glob.fit(path.as_bytes())));
        }
    }
}

fn expansions() -> Vec<Vec<u8>> {
    let texts =
        ["$A ${A} ${B:-x} ${A:+y} ${A#a*} ${A%%b} ${A/a/b} ${A//a/b}", "\"a b\" 'c $A' d\\ e", "${A:?message} $$"];
    texts.iter().map(|t| t.as_bytes().to_vec()).collect()
}

fn expand(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let scope: Scope = [("A", "aabb"), ("B", ""), ("UNICODE", "äö\u{1f980}")].into_iter().collect();
    for escape in ['\\', '`'] {
        let _ = (expand::word(&text, &scope, escape), expand::words(&text, &scope, escape));
        let _ = words::quoted(&text, escape);
    }
    let _ = (expand::heredoc(&text, &scope), heredoc::find(&text), heredoc::whole(&text));
    let _ = (words::flags(&text, 0), words::json(&text), words::shell(&text), words::unquote(&text));
}

/// Parsing of the records alone: the first byte chooses the sort.
fn record(bytes: &[u8]) {
    fn round<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
        let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
        let written = serde_json::to_vec(&value).expect("a record is written as JSON");
        assert!(serde_json::from_slice::<T>(&written).is_ok(), "our own record is refused");
    }
    let Some((sort, bytes)) = bytes.split_first() else { return };
    match sort % 7 {
        0 => round::<ImageRecord>(bytes),
        1 => round::<NameRecord>(bytes),
        2 => round::<ContainerRecord>(bytes),
        3 => round::<StateRecord>(bytes),
        4 => round::<ExitRecord>(bytes),
        5 => round::<LayerRecord>(bytes),
        _ => round::<StepRecord>(bytes),
    }
}

fn layer_ref() -> LayerRef {
    LayerRef { id: seeds::LAYER.into(), diff_id: seeds::EMPTY_DIGEST.into(), tar_size: 0, content_size: 0 }
}

fn image_record() -> ImageRecord {
    ImageRecord {
        manifest: seeds::EMPTY_DIGEST.into(),
        id: seeds::EMPTY_DIGEST.into(),
        config: base_config(),
        layers: vec![layer_ref()],
        size: 7,
        created: "2026-01-01T00:00:00Z".into(),
    }
}

fn json_records() -> Vec<String> {
    let layer = format!(
        r#"{{"diff_id":"{}","tar_size":0,"content_size":0,"files":0,"recipe":true,"unsynced_boot":"b"}}"#,
        seeds::EMPTY_DIGEST
    );
    let container = format!(
        r#"{{"id":"{}","name":"n","created":"2026-01-01T00:00:00Z","image":"i","image_manifest":"{digest}",
        "image_id":"{digest}","layers":["{}"],"argv":["sh"],"config":{{}},"hostname":"h","network":"none","tty":false,
        "stdin":false,"remove":false,"stop_signal":"TERM","stop_timeout":10,"mounts":[{{"kind":"bind","name":"","source":"/",
        "destination":"/x","rw":true}}],"create_command":["dhow"],"spec":{{"ociVersion":"1.0.0","process":{{"cwd":"/",
        "user":{{"uid":0,"gid":0}},"args":["sh"]}},"mounts":[{{"destination":"/proc","type":"proc"}}]}}}}"#,
        "c".repeat(64),
        seeds::LAYER,
        digest = seeds::EMPTY_DIGEST,
    );
    assert!(serde_json::from_str::<ContainerRecord>(&container).is_ok());
    let step = StepRecord { layer: layer_ref(), created: "now".into(), inputs: vec![("a".into(), "b".into())] };
    vec![
        serde_json::to_string(&image_record()).unwrap(),
        format!(r#"{{"name":"localhost/app:latest","manifest":"{}"}}"#, seeds::EMPTY_DIGEST),
        container,
        r#"{"pid":1,"start_time":5,"started":"2026-01-01T00:00:00Z"}"#.into(),
        r#"{"code":1,"finished":"2026-01-01T00:00:00Z","error":""}"#.into(),
        layer,
        serde_json::to_string(&step).unwrap(),
    ]
}

fn records() -> Vec<Vec<u8>> {
    json_records().iter().enumerate().map(|(sort, text)| [&[sort as u8], text.as_bytes()].concat()).collect()
}

/// The files of a store that the `store` target replaces; the first byte chooses one.
fn places() -> Vec<(String, Vec<u8>)> {
    let hex = &seeds::EMPTY_DIGEST["sha256:".len()..];
    let (id, layer) = ("c".repeat(64), seeds::LAYER);
    let json = json_records();
    let zipped = zstd::encode_all(seeds::recipe().as_slice(), 1).expect("zstd into memory");
    let paths = [
        format!("images/{hex}.json"),
        "images/names/localhost%2fapp%3alatest".into(),
        format!("containers/{id}/container.json"),
        format!("containers/{id}/state.json"),
        format!("containers/{id}/exit.json"),
        format!("layers/{layer}/layer.json"),
        "cache/steps/k.json".into(),
        "cache/steps/.last-s".into(),
        format!("layers/by-diff/{hex}"),
        format!("layers/{layer}/tar.zst"),
        format!("blobs/sha256/{hex}"),
        "version".into(),
    ];
    let rest = [br#"[["a","b"]]"#.to_vec(), layer.into(), zipped, Vec::new(), b"1\n".to_vec()];
    paths.into_iter().zip(json.into_iter().map(String::into_bytes).chain(rest)).collect()
}

fn store_files() -> Vec<Vec<u8>> {
    places().into_iter().enumerate().map(|(at, (_, bytes))| [&[at as u8], bytes.as_slice()].concat()).collect()
}

/// A store with one file replaced, and everything that reads it.
fn store(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let root = scratch().join("store");
    let places = places();
    if !root.exists() {
        Store::at(&root).expect("a new store");
        fs::create_dir_all(root.join(format!("layers/{}/fs", seeds::LAYER))).unwrap();
        fs::write(root.join(format!("layers/{}/fs/f", seeds::LAYER)), "content").unwrap();
        fs::create_dir(root.join(format!("containers/{}", "c".repeat(64)))).unwrap();
        places.iter().for_each(|(path, good)| fs::write(root.join(path), good).unwrap());
    }
    let store = Store::at(&root).expect("the files are as they should be");
    let (path, good) = &places[usize::from(*which) % places.len()];
    fs::write(root.join(path), bytes).unwrap();
    let _ = Store::at(&root);
    let digest = Digest::parse(seeds::EMPTY_DIGEST).expect("a digest");
    let id = "c".repeat(64);
    let _ = (store.images(), store.names(), store.find_image("app"), store.find_image("e3b"), store.dead_name("app"));
    let _ = (store.containers(), store.find_container("n"), store.status(&id), store.state(&id), store.exit(&id));
    let _ = (store.find_layer(&digest), store.usable_layer(seeds::LAYER), store.get_blob(&digest));
    let _ = (store.cached_step("k"), store.previous_inputs("s"), store.abandoned_containers());
    let _ = store.write_layer_tar(&LayerRef { tar_size: 18, ..layer_ref() }, &mut io::sink());
    fs::write(root.join(path), good).unwrap();
}

fn logs() -> Vec<Vec<u8>> {
    vec![b"2026-01-01T00:00:00.000000000Z stdout F one\n2026-01-01T00:00:01Z stderr P two\nx y z\n".to_vec()]
}

/// The other files of a store that are not JSON: a container's log and the index of a context.
fn log(bytes: &[u8]) {
    let place = scratch();
    fs::write(place.join("log"), bytes).unwrap();
    let lines = LogReader::open(&place).expect("the log opens").expect("there is a log").count();
    assert!(lines <= bytes.iter().filter(|b| **b == b'\n').count());
    // As it is, and with what a checksum would else keep out.
    let whole = bytes.len() / 72 * 72;
    let records = &bytes[..whole];
    let count = (whole as u64 / 72).to_le_bytes();
    let right = [b"dhowidx1".as_slice(), &count, Digest::of(records).as_bytes(), records].concat();
    let stat = rustix::fs::stat(&place).unwrap();
    for bytes in [bytes, &right] {
        fs::write(place.join(format!("{}.idx", Digest::of(b"/context").hex())), bytes).unwrap();
        let _ = ContextIndex::open(&place, Path::new("/context")).lookup(&stat);
    }
}
