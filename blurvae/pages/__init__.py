"""What the chapters and the command show: tables and figures of recorded runs, and the pages themselves."""
