package file

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// csvFormat is a row a pair: group,account. Comments do not exist in csv, so there
// is no block: rows are added and removed one by one, and all others stay.
type csvFormat struct{}

const csvHeader = "group,account"

func (csvFormat) check(p pair) error {
	for what, name := range map[string]string{"group": p.Group, "account": p.Account} {
		if err := connectors.CheckName(name); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		// A first = + - @ is a formula to a spreadsheet that opens the file.
		if strings.ContainsAny(name, ",\"") || strings.ContainsAny(name[:1], "=+-@#") {
			return fmt.Errorf("%s %+.100q cannot stand in a csv file: no commas or quotes, none of =+-@# in front", what, name)
		}
	}
	if p.Group+","+p.Account == csvHeader {
		return fmt.Errorf("group %q with account %q would be taken for the header", p.Group, p.Account)
	}
	return nil
}

func (csvFormat) parse(content []byte, _ *state) (*document, error) {
	d := &document{ours: map[pair]bool{}}
	lines := splitLines(content)
	rows := make([]pair, len(lines)) // zero: not a row
	for i, raw := range lines {
		line := strings.TrimRight(raw, "\r\n")
		if line == "" || i == 0 && line == csvHeader {
			continue
		}
		r := csv.NewReader(strings.NewReader(line))
		row, err := r.Read()
		if err != nil || len(row) != 2 {
			return nil, fmt.Errorf("line %d is not a row of the form group,account", i+1)
		}
		rows[i] = pair{row[0], row[1]}
		d.ours[rows[i]] = true
	}
	d.render = func(ours []pair) ([]byte, error) {
		want := make(map[pair]bool, len(ours))
		for _, p := range ours {
			want[p] = true
		}
		written := map[pair]bool{{}: true}
		var b bytes.Buffer
		for i, raw := range lines {
			if rows[i] == (pair{}) || want[rows[i]] {
				b.WriteString(raw)
				written[rows[i]] = true
			}
		}
		if n := b.Len(); n > 0 && b.Bytes()[n-1] != '\n' {
			b.WriteByte('\n')
		}
		for _, p := range ours {
			if !written[p] {
				b.WriteString(p.Group + "," + p.Account + "\n")
			}
		}
		return b.Bytes(), nil
	}
	return d, nil
}
