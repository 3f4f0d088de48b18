//! The text of `/etc/passwd` and `/etc/group` as values (`passwd(5)`, `group(5)`).
//!
//! Images carry broken files; a line that makes no sense is passed over, as the C library does. Reading the files is left
//! to the caller, and so is every default that applies when a name is missing.

/// One line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory; may be empty.
    pub home: String,
    /// Login shell; may be empty.
    pub shell: String,
}

/// One line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name of the group.
    pub name: String,
    /// Numeric group id.
    pub gid: u32,
    /// Names of the users who have it as a supplementary group.
    pub members: Vec<String>,
}

/// An id written as decimal digits and nothing else. The highest value means "no change" to `chown(2)`, so it is none.
pub fn parse_id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

/// The users of a `passwd` file, in order.
pub fn parse_users(text: &str) -> Vec<User> {
    text.lines().filter_map(user).collect()
}

fn user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = name_of(fields.next()?)?;
    let _password = fields.next()?;
    let uid = parse_id(fields.next()?)?;
    let gid = parse_id(fields.next()?)?;
    let _comment = fields.next();
    let home = fields.next().unwrap_or("").to_string();
    let shell = fields.next().unwrap_or("").trim_end().to_string();
    Some(User { name, uid, gid, home, shell })
}

/// The groups of a `group` file, in order.
pub fn parse_groups(text: &str) -> Vec<Group> {
    text.lines().filter_map(group).collect()
}

fn group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = name_of(fields.next()?)?;
    let _password = fields.next()?;
    let gid = parse_id(fields.next()?.trim_end())?;
    let members = fields.next().unwrap_or("").split(',').map(str::trim).filter(|m| !m.is_empty());
    Some(Group { name, gid, members: members.map(str::to_string).collect() })
}

fn name_of(field: &str) -> Option<String> {
    let name = field.trim_start();
    (!name.is_empty() && !name.starts_with('#')).then(|| name.to_string())
}

/// The first user of that name.
pub fn user_named<'a>(users: &'a [User], name: &str) -> Option<&'a User> {
    users.iter().find(|user| user.name == name)
}

/// The first user with that id.
pub fn user_with_id(users: &[User], uid: u32) -> Option<&User> {
    users.iter().find(|user| user.uid == uid)
}

/// The first group of that name.
pub fn group_named<'a>(groups: &'a [Group], name: &str) -> Option<&'a Group> {
    groups.iter().find(|group| group.name == name)
}

/// The ids of the groups that list `user` as a member, in order and without repetition.
pub fn groups_of(groups: &[Group], user: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    for group in groups.iter().filter(|group| group.members.iter().any(|member| member == user)) {
        if !ids.contains(&group.gid) {
            ids.push(group.gid);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines_are_read_and_bad_ones_passed_over() {
        let text = "root:x:0:0:root:/root:/bin/sh\n\n# c:x:1:1::/:\n:x:1:1::/:\nbad:x:-1:0::/:\nbig:x:4294967295:0::/:\n\
                    plus:x:+1:0::/:\nshort:x:7:8\napp:*:1000:1001::/home/app:/bin/ash\r\ntrunc:x:9\n";
        let users = parse_users(text);
        assert_eq!(users.iter().map(|u| u.name.as_str()).collect::<Vec<_>>(), ["root", "short", "app"]);
        assert_eq!(user_named(&users, "app").unwrap().shell, "/bin/ash");
        assert_eq!(user_with_id(&users, 7).unwrap().gid, 8);
        assert!(user_named(&users, "nobody").is_none());
    }

    #[test]
    fn groups_and_members() {
        let groups = parse_groups("root:x:0:\nwheel:x:10:root, app\naudio:x:18:app\nagain:x:10:app\nodd:x\nlast:x:5\n");
        assert_eq!(groups_of(&groups, "app"), [10, 18]);
        assert_eq!(groups_of(&groups, "ap"), Vec::<u32>::new());
        assert_eq!(group_named(&groups, "last").unwrap().gid, 5);
    }

    #[test]
    fn ids_are_strict() {
        assert_eq!(parse_id("007"), Some(7));
        for text in ["", "+1", "-1", " 1", "1 ", "4294967295", "4294967296", "0x1", "١"] {
            assert_eq!(parse_id(text), None, "{text:?}");
        }
    }
}
