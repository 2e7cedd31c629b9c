package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// IsDocument reports whether the loader reads the file at path: its name ends in
// .yaml or .yml, and neither it nor a directory above it begins with a dot.
func IsDocument(path string) bool {
	if !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml") {
		return false
	}
	return !strings.HasPrefix(path, ".") && !strings.Contains(path, "/.")
}

// RefuseFile returns the file at path as one that cannot be read, for the reason
// why: a symbolic link, a submodule, a size, a path.
func RefuseFile(path, why string) *File {
	return &File{Path: path, Problems: []Problem{{Pos: Pos{File: shownPath(path)}, Message: why}}}
}

// ParseFile reads the documents of one file of the access repository. It reports
// every problem that can be seen in the file alone, up to a limit, sorted by
// place. It never panics, and its memory is bounded whatever the bytes are.
func ParseFile(path string, data []byte) *File {
	if why := wrongPath(path); why != "" {
		return RefuseFile(path, why)
	}
	if len(data) > MaxFileBytes {
		return RefuseFile(path, fmt.Sprintf("file has %d bytes; at most %d are read", len(data), MaxFileBytes))
	}
	d := &decoder{file: &File{Path: path}}
	if d.checkBytes(data) {
		d.decode(data)
	}
	d.finish()
	return d.file
}

// wrongPath says why a path is not read, or "".
func wrongPath(p string) string {
	switch {
	case len(p) > MaxPathBytes:
		return fmt.Sprintf("path has %d bytes; at most %d are read", len(p), MaxPathBytes)
	case !utf8.ValidString(p):
		return "path is not UTF-8; rename the file"
	case strings.Contains(p, `\`):
		return `path contains a backslash; use / between directories`
	case !fs.ValidPath(p) || p == ".":
		return "path is not plain; it must be relative, with no '.', '..' or empty parts"
	}
	for _, r := range p {
		if hiddenRune(r) {
			return fmt.Sprintf("path contains the invisible or control character %U; rename the file", r)
		}
	}
	return ""
}

// shownPath returns path, quoted when printing it could fool a terminal or a reader.
func shownPath(p string) string {
	if len(p) > MaxPathBytes {
		return strconv.Quote(path.Base(p[:maxShown]) + "…")
	}
	for _, r := range p {
		if hiddenRune(r) || r == utf8.RuneError {
			return strconv.Quote(p)
		}
	}
	return p
}

// checkBytes looks at a file's raw bytes before anything parses them. It reports
// whether they may be parsed.
func (d *decoder) checkBytes(data []byte) bool {
	before := len(d.file.Problems)
	line, start := 1, 0
	for i := 0; i < len(data); {
		c := data[i]
		if c >= ' ' && c < 0x7F || c == '\t' {
			i++
			continue
		}
		if c == '\n' {
			i++
			line, start = line+1, i
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		at := Pos{d.file.Path, line, i - start + 1}
		if r == utf8.RuneError && size <= 1 {
			d.add(at, "file is not UTF-8 from here on; save it as UTF-8")
			break
		}
		if r >= utf8.RuneSelf {
			d.wide = data
		}
		if why := forbiddenRune(r); why == "" || r == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			// fine
		} else if d.full() {
			d.more++
		} else {
			d.add(at, fmt.Sprintf("%s %U is not allowed; remove it", why, r))
		}
		i += size
	}
	return len(d.file.Problems) == before && d.more == 0
}

// decode splits the file into YAML documents and reads each.
func (d *decoder) decode(data []byte) {
	if f := prescan(data); f != nil {
		d.add(Pos{d.file.Path, f.line, f.column}, f.message)
		return
	}
	defer func() {
		if r := recover(); r != nil {
			d.file.Docs = nil
			d.add(Pos{d.file.Path, 1, 1}, "file cannot be read as YAML; simplify it")
		}
	}()
	documents := yaml.NewDecoder(bytes.NewReader(data))
	var request, other *yaml.Node
	for {
		var node yaml.Node
		err := documents.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			d.add(d.parserError(err, data))
			return
		}
		root := &node
		if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
			root = node.Content[0]
		}
		doc := d.document(root)
		d.doc++
		if doc == nil {
			continue
		}
		if _, ok := doc.(*AccessRequest); ok {
			if request != nil || other != nil {
				d.problem(root, "a request file holds exactly one document; move this AccessRequest to a file of its own")
			}
			request = root
		} else {
			if request != nil {
				d.problem(root, "a request file holds exactly one document; move what is not the AccessRequest to another file")
			}
			other = root
		}
		d.file.Docs = append(d.file.Docs, doc)
	}
	if d.doc == 0 {
		d.add(Pos{d.file.Path, 1, 1}, "file holds no document; write one, with apiVersion and kind, or remove the file")
	}
}

// countedFromZero begins the parser's own messages, whose lines it counts from
// zero; those of its scanner it counts from one.
var countedFromZero = []string{
	"did not find expected ',' or", "did not find expected key", "did not find expected '-'",
	"did not find expected node content", "did not find expected <",
}

// parserError turns an error of the YAML parser into a place and a message.
func (d *decoder) parserError(err error, data []byte) (Pos, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Pos{d.file.Path, 1, 1}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, message, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil && n > 0 {
				at.Line, text = n, message
				for _, prefix := range countedFromZero {
					if strings.HasPrefix(message, prefix) {
						at.Line++
						break
					}
				}
			}
		}
	}
	lines := bytes.Split(bytes.TrimRight(data, "\r\n"), []byte("\n"))
	at.Line = min(at.Line, len(lines))
	line := lines[at.Line-1]
	if indent := len(line) - len(bytes.TrimLeft(line, " \t")); indent < len(line) {
		at.Column = indent + 1
	}
	return at, "not valid YAML: " + text + "; check indentation, quotes and brackets on this line and the one before"
}
