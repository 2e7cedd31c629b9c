package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand fills in ${NAME} from the environment; $${ stands for ${ itself. What a
// variable holds is not looked at again. Where names the key for errors.
func (l *loader) expand(n *yaml.Node, where, text string) (string, bool) {
	var out strings.Builder
	ok := true
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			out.WriteString(text)
			return out.String(), ok
		}
		if i > 0 && text[i-1] == '$' {
			out.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		out.WriteString(text[:i])
		name, rest, closed := strings.Cut(text[i+2:], "}")
		if !closed || !envName.MatchString(name) {
			l.problem(n, where+": ${ must be followed by the name of an environment variable and }; write $${ for the characters themselves")
			return "", false
		}
		value, set := l.env(name)
		if !set {
			l.problem(n, where+": environment variable "+name+" is not set")
			ok = false
		}
		out.WriteString(value)
		text = rest
	}
}

// maxSecretFile bounds what is read from a …File.
const maxSecretFile = 1 << 20

// fromFile reads the value of a key from the file that its …File form names, less
// one trailing newline.
func (l *loader) fromFile(n *yaml.Node, where, path string) (string, bool) {
	path = l.resolve(path)
	if !l.readable(n, where, path) {
		return "", false
	}
	f, err := os.Open(path)
	if err != nil {
		l.problem(n, where+": "+reason(err))
		return "", false
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		l.problem(n, where+": "+reason(err))
		return "", false
	case len(data) > maxSecretFile:
		l.problem(n, where+": file is larger than 1 MiB")
		return "", false
	}
	text := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(text, "\r"), true
}

// readable checks a file that holds, or is next to, a secret.
func (l *loader) readable(n *yaml.Node, where, path string) bool {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		l.problem(n, where+": "+reason(err))
		return false
	case !info.Mode().IsRegular():
		l.problem(n, where+": not a regular file")
		return false
	case info.Mode().Perm()&0o004 != 0 && !strings.HasSuffix(where, "knownHostsFile"):
		l.warn(n, where+": every user of this machine can read the file; chmod 600 it")
	}
	return true
}

// resolve makes a path absolute: relative ones are relative to the configuration
// file, not to wherever the program was started.
func (l *loader) resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.dir, path)
}

// reason says why a file could not be used without repeating its path, which came
// out of a value.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "file does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "file cannot be read: permission denied"
	default:
		return "file cannot be read"
	}
}
