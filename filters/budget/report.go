package budget

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// Variable names a file to which tests append what they counted, a Row in JSON on each line.
const Variable = "PALISADE_BUDGET_ROWS"

// Row is something that was counted.
type Row struct {
	Section  string  `json:"section"` // a filter or a package
	Name     string  `json:"name"`
	What     string  `json:"what"` // "host calls", "allocations", "bytes"
	Measured uint64  `json:"measured"`
	Budget   *uint64 `json:"budget"` // nil: not the same each time, so that there is none
}

// Rows reads what tests have counted.
func Rows(name string) (rows []Row, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	defer file.Close()
	for decoder := json.NewDecoder(file); decoder.More(); {
		var row Row
		if err := decoder.Decode(&row); err != nil {
			return nil, fmt.Errorf("budget: %s: %w", name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// report makes rows known to who asked for them.
func report(t testing.TB, rows ...Row) {
	t.Helper()
	name := os.Getenv(Variable)
	if name == "" {
		return
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal("budget:", err)
	}
	defer file.Close()
	for _, row := range rows {
		if err := json.NewEncoder(file).Encode(row); err != nil {
			t.Fatal("budget:", err)
		}
	}
}

// advice is what to do about a number that is not the file's.
func advice(better bool) string {
	if better {
		return "it is better now: note it in " + Name
	}
	return "if it is worth it, " + Name + " has to say so"
}

func sprint(m Memory) string {
	return fmt.Sprintf("%d allocations of %d bytes", m.Allocations, m.Bytes)
}
