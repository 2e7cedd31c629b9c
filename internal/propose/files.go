package propose

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The modes of Git's entries that are not directories.
const (
	modeFile       = "100644"
	modeExecutable = "100755"
)

// Entry is a file of a commit.
type Entry struct {
	Path string
	Mode string // as Git writes it, such as 100644
	Blob string
	Size int64
	Data []byte // nil: no regular file, or larger than what was asked for
}

// Regular reports whether it is a file, rather than a link or a submodule.
func (e Entry) Regular() bool { return e.Mode == modeFile || e.Mode == modeExecutable }

// Files returns the files of a commit that are wanted, by path, with the bytes of
// those that have at most limit.
func (r *Repo) Files(ctx context.Context, commit string, limit int64, want func(path string) bool) ([]Entry, error) {
	out, err := r.git(ctx, nil, "ls-tree", "-r", "-z", "-l", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	var blobs bytes.Buffer
	for item := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		head, path, ok := strings.Cut(item, "\t")
		f := strings.Fields(head)
		if !ok || len(f) != 4 || !want(path) {
			continue
		}
		e := Entry{Path: path, Mode: f[0], Blob: f[2]}
		e.Size, _ = strconv.ParseInt(f[3], 10, 64) // "-" for a submodule
		entries = append(entries, e)
		if e.Regular() && e.Size <= limit {
			blobs.WriteString(e.Blob + "\n")
		}
	}
	if blobs.Len() == 0 {
		return entries, nil
	}
	if out, err = r.git(ctx, &command{in: blobs.Bytes()}, "cat-file", "--batch"); err != nil {
		return nil, err
	}
	answers := bufio.NewReader(bytes.NewReader(out))
	for i, e := range entries {
		if !e.Regular() || e.Size > limit {
			continue
		}
		if entries[i].Data, err = readBlob(answers, e); err != nil {
			return nil, fmt.Errorf("read %s of commit %.12s: %w", e.Path, commit, err)
		}
	}
	return entries, nil
}

// readBlob reads one answer of cat-file --batch.
func readBlob(in *bufio.Reader, e Entry) ([]byte, error) {
	head, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if head != fmt.Sprintf("%s blob %d\n", e.Blob, e.Size) {
		return nil, errors.New("git does not have its bytes")
	}
	data := make([]byte, e.Size+1) // a line feed follows
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, err
	}
	return data[:e.Size], nil
}
