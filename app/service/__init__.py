"""`frugal serve`: radiographs from an archive or a machine in, results as DICOM out."""
