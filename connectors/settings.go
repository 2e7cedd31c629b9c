package connectors

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DecodeSettings copies settings into the struct that dst points to. Fields carry
// the tag `setting:"name"`; after the name may follow
//
//	,required   the setting must be there and not be empty
//	,file       nameFile may be given instead: the value is that file's content,
//	            without newlines at its end
//
// Fields are string, bool, int, time.Duration ("30s"), []string or
// map[string]string. Booleans and numbers may be written as text, because values
// from the environment are. What is not given keeps the field's value. Every
// problem is reported, by the setting's name and never with its value, which may
// be a secret.
func DecodeSettings(settings Settings, dst any) error {
	v := reflect.ValueOf(dst).Elem()
	var known []string
	var errs []error
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("setting")
		if !ok {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		known = append(known, name)
		value, given := settings[name]
		from := name
		if slices.Contains(strings.Split(options, ","), "file") {
			from = name + "File"
			known = append(known, from)
			if path, ok := settings[from]; ok {
				if given {
					errs = append(errs, fmt.Errorf("settings %s and %s are both given; keep one", name, from))
					continue
				}
				text, err := readSetting(path)
				if err != nil {
					errs = append(errs, fmt.Errorf("setting %s: %w", from, err))
					continue
				}
				value, given = text, true
			} else {
				from = name
			}
		}
		if given {
			if want := assign(v.Field(i), value); want != "" {
				errs = append(errs, fmt.Errorf("setting %s must be %s, not %s", from, want, kindOf(value)))
				continue
			}
		}
		if slices.Contains(strings.Split(options, ","), "required") && v.Field(i).IsZero() {
			errs = append(errs, fmt.Errorf("setting %s is missing or empty", name))
		}
	}
	for name := range settings {
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("unknown setting %q%s", name, didYouMean(name, known)))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// readSetting reads a setting's value from a file.
func readSetting(path any) (string, error) {
	name, ok := path.(string)
	if !ok {
		return "", fmt.Errorf("must be the name of a file, not %s", kindOf(path))
	}
	b, err := os.ReadFile(name)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err // without the path, which may be a secret in the wrong place
		}
		return "", fmt.Errorf("cannot read the file that it names: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// assign sets a field and returns "", or what it wants instead.
func assign(f reflect.Value, value any) (want string) {
	switch p := f.Addr().Interface().(type) {
	case *string:
		if s, ok := value.(string); ok {
			*p = s
			return ""
		}
		return "text"
	case *bool:
		switch x := value.(type) {
		case bool:
			*p = x
			return ""
		case string:
			if x == "true" || x == "false" {
				*p = x == "true"
				return ""
			}
		}
		return "true or false"
	case *int:
		return assignInt(p, value)
	case *time.Duration:
		if s, ok := value.(string); ok {
			if d, err := time.ParseDuration(s); err == nil && d > 0 {
				*p = d
				return ""
			}
		}
		return "a duration such as 30s"
	case *[]string:
		if l, ok := texts(value); ok {
			*p = l
			return ""
		}
		return "a list of texts"
	case *map[string]string:
		m, ok := value.(map[string]any)
		if s, same := value.(map[string]string); same {
			m, ok = make(map[string]any, len(s)), true
			for k, v := range s {
				m[k] = v
			}
		}
		out := make(map[string]string, len(m))
		for k, v := range m {
			s, text := v.(string)
			ok = ok && text
			out[k] = s
		}
		if !ok {
			return "a mapping of texts"
		}
		*p = out
		return ""
	}
	panic(fmt.Sprintf("connectors: settings of type %s are not supported", f.Type()))
}

func assignInt(p *int, value any) (want string) {
	switch x := value.(type) {
	case int:
		*p = x
		return ""
	case float64: // what JSON makes of a number
		if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			*p = int(x)
			return ""
		}
	case string:
		if n, err := strconv.Atoi(x); err == nil {
			*p = n
			return ""
		}
	}
	return "a whole number"
}

func texts(value any) ([]string, bool) {
	switch l := value.(type) {
	case []string:
		return slices.Clone(l), true
	case []any:
		out := make([]string, 0, len(l))
		for _, v := range l {
			s, ok := v.(string)
			if !ok {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	}
	return nil, false
}
