package notice

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"gitlab-dind-executor/wary"
)

const (
	// askBound bounds an answer. Azure's first answer about events may take longer, and is
	// asked for again.
	askBound = 10 * time.Second
	// maxAnswer bounds an answer, in bytes. Events of a large scale set name all of its
	// hosts.
	maxAnswer = 1 << 20
)

// asker asks a metadata service.
type asker struct {
	client *http.Client
	base   string
	now    func() time.Time
}

func newAsker(base string) asker {
	return asker{wary.Client(nil, askBound), strings.TrimSuffix(base, "/"), time.Now}
}

// answer is an answer of a metadata service.
type answer struct {
	status int
	header http.Header
	// body is without white space around it.
	body string
}

func (a asker) ask(ctx context.Context, method, path, key, value string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set(key, value)
	res, err := a.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(wary.Reader(res.Body, maxAnswer))
	if err != nil {
		return answer{}, err
	}
	return answer{res.StatusCode, res.Header, strings.TrimSpace(string(body))}, nil
}
