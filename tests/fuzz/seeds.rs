//! Valid inputs to begin with, made here rather than kept as files: a change of a format then shows where it is made.

use std::fs;
use std::os::unix::fs::symlink;

use dhow::image::config::ImageConfig;
use dhow::layer::diff;
use dhow::sys::path::Root;

const BLOCK: usize = 512;

/// A diff id and whatever else needs a digest: that of no bytes.
pub const EMPTY_DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// The id of the layer, container or step in a store for records.
pub const LAYER: &str = "00112233aabbccdd";

/// Gives each block that looks like a header a right checksum, and an owner and a mode with which the caller can go on:
/// else hardly any changed input gets past the first look, and no extraction past the first file.
pub fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    for block in sealed.chunks_exact_mut(BLOCK).filter(|block| &block[257..262] == b"ustar") {
        block[108..116].copy_from_slice(format!("{uid:07o}\0").as_bytes());
        block[116..124].copy_from_slice(format!("{gid:07o}\0").as_bytes());
        if !block[100..107].iter().all(|b| (b'0'..=b'7').contains(b)) || block[107] != 0 {
            block[100..108].copy_from_slice(b"0000644\0");
        }
        block[104] = b'7';
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    sealed
}

/// One entry as ustar writes it, padded.
fn entry(kind: u8, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    block[136..148].copy_from_slice(b"14000000000\0");
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..265].copy_from_slice(b"ustar\x0000");
    let padding = content.len().next_multiple_of(BLOCK) - content.len();
    [&block[..], content, &vec![0; padding]].concat()
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length.to_string().len() + rest.len() != length {
            length = length.to_string().len() + rest.len();
        }
        body.extend_from_slice(format!("{length}{rest}").as_bytes());
    }
    entry(b'x', "PaxHeaders/x", "", &body)
}

/// Archives with every kind of entry and extension.
pub fn tars() -> Vec<Vec<u8>> {
    let end = vec![0; 2 * BLOCK];
    let long = format!("{}name", "directory/".repeat(20));
    let plain = [
        entry(b'5', "d/", "", b""),
        entry(b'0', "d/f", "", b"content"),
        entry(b'1', "d/hard", "d/f", b""),
        entry(b'2', "d/soft", "../f", b""),
        entry(b'6', "d/fifo", "", b""),
        entry(b'0', "d/.wh.gone", "", b""),
        entry(b'0', "d/.wh..wh..opq", "", b""),
        entry(b'0', "d/f", "", b"again"),
        entry(b'3', "null", "", b""),
    ];
    let times = [("mtime", "1700000000.000000001"), ("SCHILY.xattr.user.a", "b"), ("path", &long)];
    let extended = [
        entry(b'g', "pax_global_header", "", b"13 comment=a\n"),
        pax(&times),
        entry(b'0', "short", "", b"x"),
        entry(b'L', "././@LongLink", "", format!("{long}2\0").as_bytes()),
        entry(b'0', "short", "", &[7; 700]),
        entry(b'K', "././@LongLink", "", b"target\0"),
        entry(b'2', "link", "t", b""),
        pax(&[("size", "3"), ("uid", "0"), ("gid", "0"), ("linkpath", "")]),
        entry(b'0', "three", "", b"abc"),
    ];
    let mut all: Vec<Vec<u8>> = [&plain[..], &extended[..]].map(|e| seal(&[e.concat(), end.clone()].concat())).into();
    all.push(seal(&[plain[1].clone(), end, b"what follows".to_vec()].concat()));
    all.push(own_tar());
    all
}

/// A tar as dhow writes it.
fn own_tar() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::write(dir.path().join("a/b/file"), "text").unwrap();
    fs::hard_link(dir.path().join("a/b/file"), dir.path().join("a/two")).unwrap();
    symlink("b/file", dir.path().join("a/link")).unwrap();
    let mut tar = Vec::new();
    diff::write_tar(&Root::open(dir.path()).unwrap(), &[], &mut tar).unwrap();
    tar
}

/// A recipe that refers to the file `f` of seven bytes.
pub fn recipe() -> Vec<u8> {
    let mut bytes = b"dhow-recipe 1\nR".to_vec();
    bytes.extend_from_slice(&4u32.to_le_bytes());
    bytes.extend_from_slice(b"head");
    for _ in 0..2 {
        bytes.push(b'F');
        bytes.extend_from_slice(&1u16.to_le_bytes());
        bytes.extend_from_slice(&7u64.to_le_bytes());
        bytes.push(b'f');
    }
    bytes.push(b'E');
    bytes
}

pub fn configs() -> Vec<Vec<u8>> {
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","author":"a","config":{{"User":"1:2",
        "Env":["PATH=/bin","A="],"Cmd":["sh"],"Entrypoint":null,"Labels":{{"k":"v"}},"ExposedPorts":{{"80/tcp":{{}}}},
        "Volumes":{{"/v":{{}}}},"WorkingDir":"/w","StopSignal":"9","OnBuild":["RUN x"],"Shell":["/bin/sh","-c"],
        "Healthcheck":{{"Test":["CMD","x"],"Interval":1000000000,"Retries":3}}}},"unknown":[1,{{"a":null}}],
        "rootfs":{{"type":"layers","diff_ids":["{EMPTY_DIGEST}"]}},"history":[{{"created_by":"x","empty_layer":true}}]}}"#
    );
    assert!(ImageConfig::parse(config.as_bytes()).is_ok());
    vec![config.into_bytes(), br#"{"architecture":"a","os":"b","rootfs":{"type":"layers","diff_ids":[]}}"#.to_vec()]
}

pub fn manifests() -> Vec<Vec<u8>> {
    let descriptor = |kind: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{EMPTY_DIGEST}","size":7,
            "urls":["http://h/"],"annotations":{{"a":"b"}},"platform":{{"os":"linux","architecture":"amd64","variant":"v8"}}}}"#
        )
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        descriptor("config.v1+json"),
        descriptor("layer.v1.tar+gzip")
    );
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{}]}}"#,
        descriptor("manifest.v1+json")
    );
    vec![manifest.into_bytes(), index.into_bytes()]
}

pub fn references() -> Vec<Vec<u8>> {
    let texts =
        ["alpine", "localhost:5000/a/b_c.d--e:v1.2", "[::1]:80/x", "docker.io/library/a", "a:b", "HOST/x", "a.b/c"];
    let digested = [format!("a@{EMPTY_DIGEST}"), format!("h.io/a:t@{EMPTY_DIGEST}"), EMPTY_DIGEST.to_string()];
    texts.iter().map(|t| t.as_bytes().to_vec()).chain(digested.iter().map(|t| t.as_bytes().to_vec())).collect()
}

pub fn dockerfiles() -> Vec<Vec<u8>> {
    let file = r#"# syntax=docker/dockerfile:1
# escape=\
ARG V=1 W="two words"
FROM --platform=$BUILDPLATFORM base:${V:-x} AS one
ENV A=b C="d e" \
    # a comment
    F=${A:+yes}
RUN --mount=type=cache,target=/x --network=none <<EOF
echo $HOME
EOF
COPY --chown=1:2 --chmod=0644 ["a b", "c", "/d/"]
COPY <<-'one' <<two /files/
	text
	one
more
two
HEALTHCHECK --interval=5s --retries=2 CMD ["true"]
ONBUILD RUN ["x"]
FROM one
COPY --from=one --link /a /b
ADD https://example.com/x.tar.gz /
USER a:b
WORKDIR ${W#t*}/x
EXPOSE 80/tcp 90-92
VOLUME ["/v"]
SHELL ["/bin/sh", "-c"]
STOPSIGNAL SIGTERM
LABEL a=b "c d"='e f'
ENTRYPOINT ["a"]
CMD b
MAINTAINER me
"#;
    vec![
        file.into(),
        file.replace('\n', "\r\n").into(),
        b"\xef\xbb\xbfFROM scratch\nENV a b c\nRUN a \\\n\n b".to_vec(),
    ]
}
